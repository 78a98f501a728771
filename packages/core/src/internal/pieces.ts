/**
 * A payload that arrives in pieces. Nothing is allocated for what is announced before half of it has come, so that what is held is
 * at most twice the bytes that came and a page: large pieces are kept where they are, unless they are only lent; all else is
 * gathered in blocks, because a hundred thousand pieces of a byte would weigh a hundred times what they say.
 */
export class Pieces {
  private readonly allocate: Allocate
  private pieces: Array<Uint8Array> = []
  private block = noBytes
  private blockUsed = 0
  // Whether nobody else has had any of the pieces.
  private isOurs = true
  // The payload itself, from where half of it has come.
  private whole: Uint8Array | undefined = undefined
  /** Bytes so far. */
  length = 0

  constructor(allocate: Allocate = zeroed) {
    this.allocate = allocate
  }

  /**
   * Adds a piece to a payload that will have at most `total` bytes, `Infinity` where that is not known. The piece must not be
   * written to before `join`, unless it is only lent.
   */
  append(piece: Uint8Array, total: number, lent = false): void {
    if (this.whole === undefined && (this.length + piece.length) * 2 >= total && piece.length < total) this.begin(total)
    if (this.whole !== undefined) {
      this.whole.set(piece, this.length)
    } else if (!lent && piece.length >= pageBytes && piece.length * 2 >= piece.buffer.byteLength) {
      this.endBlock()
      this.pieces.push(piece)
      this.isOurs = false
    } else {
      this.gather(piece, total)
    }
    this.length += piece.length
  }

  /** The payload, in an array that nobody else has. The pieces are gone. */
  join(): Uint8Array {
    const isBlock = this.blockUsed === this.length && this.block.length === this.length
    const joined = this.whole ?? (isBlock ? this.block : this.concat(this.length))
    const { length } = this
    this.clear()
    // Of what was announced and has not come there is only memory as it was found.
    return joined.length === length ? joined : copyOf(view(joined, 0, length), this.allocate)
  }

  // What comes from now on is copied once, and while it is still in the cache.
  private begin(total: number): void {
    this.whole = this.concat(total)
    this.pieces = []
    this.block = noBytes
    this.blockUsed = 0
  }

  private clear(): void {
    this.pieces = []
    this.isOurs = true
    this.block = noBytes
    this.blockUsed = 0
    this.whole = undefined
    this.length = 0
  }

  // The whole range is written in the end, so that it does not matter what was there before.
  private concat(total: number): Uint8Array {
    const whole = this.allocate(total)
    let at = 0
    for (const piece of this.pieces) {
      whole.set(piece, at)
      at += piece.length
      if (this.isOurs) giveBack(piece)
    }
    whole.set(view(this.block, 0, this.blockUsed), at)
    giveBack(this.block)
    return whole
  }

  private gather(piece: Uint8Array, total: number): void {
    let taken = 0
    while (taken < piece.length) {
      if (this.blockUsed === this.block.length) {
        this.endBlock()
        const left = piece.length - taken
        const wanted = Math.min(Math.max(smallestBlock, left, this.length), largestBlock)
        const size = Math.min(wanted, total - this.length - taken)
        this.block = size < pageBytes ? new Uint8Array(size) : this.allocate(size)
      }
      const end = Math.min(piece.length, taken + this.block.length - this.blockUsed)
      this.block.set(view(piece, taken, end), this.blockUsed)
      this.blockUsed += end - taken
      taken = end
    }
  }

  private endBlock(): void {
    const used = view(this.block, 0, this.blockUsed)
    // A block that is mostly empty would outweigh what it holds.
    if (this.blockUsed > 0) this.pieces.push(this.blockUsed * 2 < this.block.length ? new Uint8Array(used) : used)
    this.block = noBytes
    this.blockUsed = 0
  }
}

// Now, and not at the next collection, which their number would bring on: a third of what a message of 1 MiB takes.
const giveBack = (bytes: Uint8Array): void => {
  const { buffer } = bytes
  // Of a part of a larger one the rest is somebody else's.
  if (bytes.length >= pageBytes && bytes.length === buffer.byteLength && buffer instanceof ArrayBuffer) {
    buffer.transfer(0)
  }
}

/** A view of a range. Not `subarray`: on a Node Buffer that answers a Buffer, and looks the constructor up each time. */
export const view = (bytes: Uint8Array, start: number, end: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)

/** A copy in memory of that kind. */
export const copyOf = (bytes: Uint8Array, allocate: Allocate): Uint8Array => {
  const copy = allocate(bytes.length)
  copy.set(bytes)
  return copy
}

/** Bytes. What a piece is worth keeping for, and a block the memory of a payload. */
const pageBytes = 4096

/**
 * Bytes. The first block of a payload; the next is as large as what was gathered, so that a single byte does not hold a page. From
 * the largest on fewer save nothing more: one for each 16 KiB costs a sixth of what it takes to put 16 MiB together.
 */
const smallestBlock = 64
const largestBlock = 256 * 1024

const noBytes: Uint8Array = new Uint8Array(0)

/** Answers an array of its own of that many bytes, whatever they are. */
export type Allocate = (length: number) => Uint8Array

/** The platform's own, which costs a quarter of a microsecond for each small one. */
export const zeroed: Allocate = (length) => new Uint8Array(length)
