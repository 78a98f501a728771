/**
 * A stretch of memory seen as words, for masking many payloads in it: to look at it so costs as much as to mask a hundred bytes,
 * and is done once for all of them. The first and the last word of a payload are masked in part, and its neighbours stay.
 */
export class Words {
  private readonly bytes: Uint8Array
  private readonly base: number
  private readonly ints: Int32Array
  private lazyLongs: BigUint64Array | undefined = undefined

  constructor(bytes: Uint8Array) {
    const { buffer } = bytes
    this.bytes = bytes
    this.base = bytes.byteOffset
    this.ints = new Int32Array(buffer, 0, buffer.byteLength >>> 2)
  }

  /** XORs the bytes of a range, by their offsets in `bytes`, with a key whose first octet meets the first of them. */
  mask(key: number, start: number, end: number): void {
    const { ints } = this
    // What is left of the memory behind its last whole word.
    while (this.base + end > ints.length * 4) {
      end--
      if (end < start) return
      this.bytes[end]! ^= rotate(key, (end - start) & 3) >>> 24
    }
    const from = this.base + start
    const to = this.base + end
    // As it meets the words: they begin at multiples of four.
    const rotated = rotate(key, -from & 3)
    keyBytes[0] = keyBytes[4] = rotated >>> 24
    keyBytes[1] = keyBytes[5] = rotated >>> 16
    keyBytes[2] = keyBytes[6] = rotated >>> 8
    keyBytes[3] = keyBytes[7] = rotated
    const word = keyInts[0]!
    let at = from >>> 2
    const last = to >>> 2
    if (at === last) {
      ints[at]! ^= word & behind[from & 3]! & ~behind[to & 3]!
      return
    }
    if ((from & 3) !== 0) ints[at++]! ^= word & behind[from & 3]!
    if (last - at > longsFrom) at = this.maskLongs(at, last)
    for (; at < last; at++) ints[at]! ^= word
    if ((to & 3) !== 0) ints[last]! ^= word & ~behind[to & 3]!
  }

  // Pairs of words, up to the last whole one.
  private maskLongs(first: number, last: number): number {
    const { ints, longs } = this
    if ((first & 1) !== 0) ints[first++]! ^= keyInts[0]!
    const long = keyLongs[0]!
    const end = last >>> 1
    for (let at = first >>> 1; at < end; at++) longs[at]! ^= long
    return end << 1
  }

  private get longs(): BigUint64Array {
    const { buffer } = this.bytes
    return this.lazyLongs ??= new BigUint64Array(buffer, 0, buffer.byteLength >>> 3)
  }
}

/** A key of 32 bits from its octet `octets` on. */
export const rotate = (key: number, octets: number): number =>
  octets === 0 ? key : (key << (octets * 8)) | (key >>> (32 - octets * 8))

// Words: from here on longs are faster by more than it costs to begin with them.
const longsFrom = 32

// The key as words in the machine's own byte order, made by writing bytes.
const keyBytes = new Uint8Array(8)
const keyInts = new Int32Array(keyBytes.buffer)
const keyLongs = new BigUint64Array(keyBytes.buffer)

// By how many octets of a word are left out at its beginning: all bits of those behind.
const behind = new Int32Array(
  new Uint8Array([255, 255, 255, 255, 0, 255, 255, 255, 0, 0, 255, 255, 0, 0, 0, 255]).buffer
)
