/**
 * Masking keys from the operating system's entropy, drawn for 2,048 frames at a time: a draw for each would cost more than
 * the masking of a small frame.
 */
import { randomFillSync } from "node:crypto"

const pool = new Int32Array(2048)
let used = pool.length

/** A fresh key of 32 bits. RFC 6455 5.3: it "MUST be derived from a strong source of entropy". */
export const nextMaskingKey = (): number => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  return pool[used++]!
}
