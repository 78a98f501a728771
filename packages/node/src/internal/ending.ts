/** How far the end of a connection has come: made when it begins, which most are far from. */
export class Ending {
  error: Error | undefined = undefined
  /** Whoever waits for it. */
  finished: (() => void) | undefined = undefined
  /** The peer's side. */
  ended = false
  /** Ours: it is to end, is told to the system, has ended. */
  shutsDown = false
  isShuttingDown = false
  isShutDown = false
}
