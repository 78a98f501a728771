/**
 * Masking of payloads (RFC 6455 5.3): every frame from a client is XORed with a 32-bit key that travels before it.
 *
 * Keys are numbers, taken as the RFC writes them: octet 0 of the masking key is the most significant byte. Entropy is
 * the caller's business.
 *
 * @since 0.1.0
 */
import { rotate, Words } from "./internal/words.ts"

/**
 * XORs a range of bytes, in place, with the masking key.
 *
 * **Details**
 *
 * `keyOffset` is the position of the range's first byte in its payload, so a payload may be masked piece by piece, as
 * its pieces arrive. The same call unmasks: masking twice is nothing.
 *
 * **Gotchas**
 *
 * It writes to the bytes that it is given, so that they have to be the caller's own. `Frame.encode` masks a copy.
 *
 * **Example** (The masked "Hello" of RFC 6455 5.7)
 *
 * ```ts
 * import { Masking } from "@websocket-stream/core"
 *
 * const payload = new Uint8Array([0x7f, 0x9f, 0x4d, 0x51, 0x58])
 * Masking.applyInPlace(payload, 0x37fa213d)
 * new TextDecoder().decode(payload) // => "Hello"
 * ```
 *
 * @param maskingKey 32 bits, signed or not
 * @param keyOffset bytes of the payload that precede the range
 * @param start first byte of the range
 * @param end first byte behind the range, which ends with the bytes in any case
 * @category masking
 * @since 0.1.0
 */
export const applyInPlace = (
  bytes: Uint8Array,
  maskingKey: number,
  keyOffset = 0,
  start = 0,
  end = bytes.length
): void => {
  // RFC 6455 5.3: octet i of the payload meets octet i modulo 4 of the key.
  const key = rotate(maskingKey, keyOffset & 3)
  // Words see the memory around the bytes, too.
  const last = Math.min(end, bytes.length)
  if (last <= start) return
  if (last - start < wordsFrom) applyBytes(bytes, key, start, last)
  else new Words(bytes).mask(key, start, last)
}

// Below this many bytes the view that words need costs more than it saves.
const wordsFrom = 64

const applyBytes = (bytes: Uint8Array, key: number, start: number, end: number): void => {
  const octet0 = key >>> 24
  const octet1 = (key >>> 16) & 0xff
  const octet2 = (key >>> 8) & 0xff
  const octet3 = key & 0xff
  const remainder = (end - start) & 3
  const whole = end - remainder
  let at = start
  for (; at < whole; at += 4) {
    bytes[at]! ^= octet0
    bytes[at + 1]! ^= octet1
    bytes[at + 2]! ^= octet2
    bytes[at + 3]! ^= octet3
  }
  if (remainder > 0) bytes[at]! ^= octet0
  if (remainder > 1) bytes[at + 1]! ^= octet1
  if (remainder > 2) bytes[at + 2]! ^= octet2
}
