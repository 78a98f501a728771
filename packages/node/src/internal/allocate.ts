import { markAsUntransferable } from "node:worker_threads"
import { beforePayload } from "./payloadMemory.ts"

/**
 * Memory for payloads. Not zeroed, because a payload fills it: a tenth of what it costs to put 64 KiB together, and 16 MiB.
 *
 * Small ones share blocks, as Node's buffers do: an array of its own costs 270 ns, a part of a block 30. A payload that is held
 * for long holds its block.
 */
export const allocate = (length: number): Uint8Array => {
  if (length > sharedAtMost) {
    beforePayload(length)
    return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  }
  if (used + length > block.byteLength) {
    block = makeBlock(blockBytes)
    used = 0
  }
  const bytes = new Uint8Array(block, used, length)
  // The next begins at a whole word, so that it is masked by words.
  used += (length + 7) & ~7
  return bytes
}

// Bytes.
const blockBytes = 8192
const sharedAtMost = 1024

/** Memory that several share. Whoever gives its part away to a worker would take those of others with it. */
export const makeBlock = (length: number): ArrayBuffer => {
  const { buffer } = Buffer.allocUnsafeSlow(length)
  markAsUntransferable(buffer)
  return buffer
}

let block = makeBlock(blockBytes)
let used = 0
