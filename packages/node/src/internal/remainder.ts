/**
 * What the peer sent before it went, and the system still has when a write fails of that: it came in good order. It is no more than
 * a system holds for a socket, all of which comes in a turn or two, whether it is wanted now or not.
 */
import { type Handle, readBy } from "./handle.ts"
import type { Listener } from "./port.ts"

/** Whose it is. */
interface Owner {
  readonly listener: Listener
  readonly isOver: boolean
  /** What is read into. */
  readonly memory: Uint8Array
  readonly destroy: (error: Error) => void
}

/** Whether there may be such bytes behind a write that failed of this. */
export const leavesRemainder = ({ code }: NodeJS.ErrnoException): boolean => code === "EPIPE" || code === "ECONNRESET"

/** Tells the owner's listener of all that comes on the handle from now on, and then destroys the owner. */
export const readRemainder = (handle: Handle, owner: Owner, error: Error): void => {
  let room = remainderAtMost
  let isComing = true
  readBy(handle, {
    receive: (count) => {
      isComing = true
      room -= count
      if (!owner.isOver) owner.listener.onChunk(owner.memory.slice(0, count), false)
      return undefined
    },
    end: () => owner.destroy(error)
  })
  // A peer that is there, and just reads no more, does not end.
  const look = () => {
    if (!isComing || room < 0) return owner.destroy(error)
    isComing = false
    setImmediate(look)
  }
  // Behind a turn in which all of it may have been asked for.
  setImmediate(look)
}

// Bytes: more than a system holds for a socket, unless it was told to.
const remainderAtMost = 8 * 1024 * 1024
