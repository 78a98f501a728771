/** Which messages are dropped: once we have closed what nobody waits for, and behind the first of those all, so that there is no gap. */
export type Dropping = "Nothing" | "Unawaited" | "All"

/** Whether a message is that begins now. Of those that are, the first is followed by `"All"`. */
export const isDropped = (dropping: Dropping, isAwaited: boolean): boolean =>
  dropping === "All" || (dropping === "Unawaited" && !isAwaited)
