/** Queues of what was received and waits to be taken. */

/** What it weighs in a queue, in bytes: its payload, and beside that an object, and a view of a buffer. */
export const costOf = ({ payload }: { readonly payload: Uint8Array }): number => payload.length + 128

/** A queue that is never quite empty must not keep what was taken: so many are forgotten together. */
export const takenAtMost = 256
