import * as Duration from "effect/Duration"

/** A time as a timer of Node's takes it: whole milliseconds, 24 days of them at the most. It takes a longer one for a millisecond. */
export const timerMillis = (time: Duration.Input): number => Math.min(Math.ceil(Duration.toMillis(time)), 2 ** 31 - 1)
