import { makeMaskVectors, type MaskVectors } from "./vectors.ts"

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
    const word = asInMemory(rotated)
    let at = from >>> 2
    const last = to >>> 2
    if (at === last) {
      ints[at]! ^= word & behind[from & 3]! & ~behind[to & 3]!
      return
    }
    if ((from & 3) !== 0) ints[at++]! ^= word & behind[from & 3]!
    if (last - at >= vectorsFrom) at = this.maskVectors(rotated, at, last)
    if (last - at > longsFrom) at = this.maskLongs(word, at, last)
    for (; at < last; at++) ints[at]! ^= word
    if ((to & 3) !== 0) ints[last]! ^= word & ~behind[to & 3]!
  }

  /**
   * XORs the bytes of a short range, of one at least, with the masking key that lies right before it: whatever their alignment, the
   * two words that hold the key have its octets where they meet those of the range, and none need be moved. Writes to the key, too.
   * Answers whether it did: not if the range is long, nor behind the last whole word. 7 of the 50 ns that a frame of 32 bytes costs.
   */
  maskBehindKey(start: number, end: number): boolean {
    const { ints } = this
    const from = this.base + start
    const to = this.base + end
    const last = to >>> 2
    let at = from >>> 2
    // Bitwise operators see 32 bits.
    if (to > 0xffff_ffff || last - at > longsFrom || last >= ints.length) return false
    const above = behind[from & 3]!
    const word = (ints[at - 1]! & above) | (ints[at]! & ~above)
    for (; at < last; at++) ints[at]! ^= word
    ints[last]! ^= word & ~behind[to & 3]!
    return true
  }

  // All words, or none.
  private maskVectors(key: number, first: number, last: number): number {
    // Their memory is ten gigabytes of addresses, and most processes have no large payloads.
    lazyVectors ??= makeMaskVectors(() => WebAssembly)
    return lazyVectors(this.bytes.buffer, littleEndian(key), first * 4, last * 4) / 4
  }

  // Pairs of words, up to the last whole one.
  private maskLongs(word: number, first: number, last: number): number {
    const { ints, longs } = this
    if ((first & 1) !== 0) ints[first++]! ^= word
    keyInts[0] = keyInts[1] = word
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

let lazyVectors: MaskVectors | undefined

// Words: from here on vectors are faster by a third, the way to them and back included.
const vectorsFrom = 2048

// The octets as WebAssembly has them in memory on every machine.
const littleEndian = (key: number): number =>
  (key >>> 24) | ((key >>> 8) & 0xff00) | ((key << 8) & 0xff0000) | (key << 24)

// Words: from here on longs are faster by more than it costs to begin with them.
const longsFrom = 32

// Shifts, and not bytes that are written and read as a word: the processor waits for those, half of what a small frame costs.
const asInMemory = (key: number): number =>
  ((key >>> 24) << first!) | (((key >>> 16) & 0xff) << second!) | (((key >>> 8) & 0xff) << third!) |
  ((key & 0xff) << fourth!)

// By how many bits the octets of a word in memory stand in it as a number, in the machine's own byte order.
const [first, second, third, fourth] = new Uint8Array(new Int32Array([0x18100800]).buffer)

// The key twice, to be read as one.
const keyInts = new Int32Array(2)
const keyLongs = new BigUint64Array(keyInts.buffer)

// By how many octets of a word are left out at its beginning: all bits of those behind.
const behind = new Int32Array(
  new Uint8Array([255, 255, 255, 255, 0, 255, 255, 255, 0, 0, 255, 255, 0, 0, 0, 255]).buffer
)
