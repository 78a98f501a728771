import { Blocks } from "./blocks.ts"
import { beforePayload } from "./payloadMemory.ts"

/**
 * Memory for payloads. Not zeroed, because a payload fills it: a tenth of what it costs to put 64 KiB together, and 16 MiB.
 *
 * Small ones share blocks, as Node's buffers do: a payload that is held for long holds its block.
 */
export const allocate = (length: number): Uint8Array => {
  if (length <= sharedAtMost) return blocks.take(length)
  beforePayload(length)
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

// Bytes.
const sharedAtMost = 1024

const blocks = new Blocks(8192)
