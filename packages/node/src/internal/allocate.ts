/**
 * Memory for a payload. Not zeroed, because the payload fills it: a tenth of what it costs to put 64 KiB together, and 16 MiB.
 * Small ones are not worth it.
 */
export const allocate = (length: number): Uint8Array =>
  length < 4096 ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
