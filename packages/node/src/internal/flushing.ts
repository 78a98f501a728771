/** When what was queued goes out: behind what is being done, together with what others have queued meanwhile. */

/** Who has queued something. */
export interface Flushed {
  readonly flush: () => void
}

/** Flushes behind what is being done, or behind this tick. */
export const flushSoon = (queuing: Flushed): void => {
  // One tick for all, and not one for each of a broadcast.
  if (waiting.push(queuing) === 1 && !isFlushedBehind) process.nextTick(flushAll)
}

/** Does what may queue, and flushes behind it: a tick for that is 4 of the 140 microseconds to accept a connection. */
export const flushBehind = (act: () => void): void => {
  // Somebody flushes already.
  if (isFlushedBehind || waiting.length > 0) return act()
  isFlushedBehind = true
  try {
    act()
  } finally {
    isFlushedBehind = false
    if (waiting.length > 0) flushAll()
  }
}

let waiting: Array<Flushed> = []
let isFlushedBehind = false

const flushAll = (): void => {
  const all = waiting
  waiting = []
  for (const queuing of all) queuing.flush()
}
