/**
 * A payload that arrives in pieces. Nothing is allocated for bytes that were only announced, and what is held is at most
 * twice the bytes that came and one block: large pieces are kept where they are, small ones are gathered in blocks, because
 * a hundred thousand pieces of a byte would weigh a hundred times what they say.
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
    } else if (piece.length >= blockBytes && (lent || piece.length * 2 >= piece.buffer.byteLength)) {
      this.endBlock()
      this.pieces.push(lent ? copyOf(piece, this.allocate) : piece)
      if (!lent) this.isOurs = false
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
    return joined.length === length ? joined : joined.slice(0, length)
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
      // Given back now, and not at the next collection, which their number would bring on: a third of what a message of 1 MiB takes.
      if (this.isOurs && piece.buffer instanceof ArrayBuffer) piece.buffer.transfer(0)
    }
    whole.set(view(this.block, 0, this.blockUsed), at)
    return whole
  }

  private gather(piece: Uint8Array, total: number): void {
    let taken = 0
    while (taken < piece.length) {
      if (this.blockUsed === this.block.length) {
        this.endBlock()
        const left = piece.length - taken
        const size = Math.min(Math.max(smallestBlock, left, this.length), blockBytes)
        this.block = new Uint8Array(Math.min(size, total - this.length - taken))
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

/** A view of a range. Not `subarray`: on a Node Buffer that answers a Buffer, and looks the constructor up each time. */
export const view = (bytes: Uint8Array, start: number, end: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)

/** A copy in memory of that kind. */
export const copyOf = (bytes: Uint8Array, allocate: Allocate): Uint8Array => {
  const copy = allocate(bytes.length)
  copy.set(bytes)
  return copy
}

/** Bytes. A page of memory: what a small piece costs at most, and what a large one is worth keeping for. */
const blockBytes = 4096

/** Bytes. The first block of a payload; the next is as large as what was gathered, so that a single byte does not hold a page. */
const smallestBlock = 64

const noBytes: Uint8Array = new Uint8Array(0)

/** Answers an array of its own of that many bytes, whatever they are. */
export type Allocate = (length: number) => Uint8Array

/** The platform's own, which costs a quarter of a microsecond for each small one. */
export const zeroed: Allocate = (length) => new Uint8Array(length)
