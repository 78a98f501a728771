/**
 * Which listeners of an HTTP server are ours. There may be several: who serves it anew need not wait until those who served it
 * before have drained. A client gets one answer, of the last of them.
 */
import type { EventEmitter } from "node:events"

type Event = "upgrade" | "request"

const ours = new WeakSet<object>()

/** A listener that does nothing where another one of ours came behind it. */
export const unlessSucceeded = <Args extends ReadonlyArray<unknown>>(
  server: EventEmitter,
  event: Event,
  listener: (...args: Args) => void
): (...args: Args) => void => {
  const own = (...args: Args) => {
    if (server.listeners(event).findLast((other) => ours.has(other)) === own) listener(...args)
  }
  ours.add(own)
  return own
}

/** Whether somebody else listens. */
export const hasOthers = (server: EventEmitter, event: Event): boolean =>
  server.listeners(event).some((listener) => !ours.has(listener))
