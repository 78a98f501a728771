/** Bytes that look random and are the same for the same seed: a payload of 70,000 of them is one number to a generator. */
export const noise = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  // Marsaglia's xorshift, whose state must not be zero.
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

export const concat = (pieces: ReadonlyArray<ArrayLike<number>>): Uint8Array => {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** A copy that begins at the given offset of its buffer: what a socket hands out is seldom aligned. */
export const copyAt = (bytes: Uint8Array, byteOffset: number): Uint8Array => {
  const copy = new Uint8Array(new ArrayBuffer(byteOffset + bytes.length), byteOffset)
  copy.set(bytes)
  return copy
}

/** Copies of the pieces between the cuts, apart from each other, at all alignments. Two equal cuts make an empty piece. */
export const splitAt = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...cuts].sort((a, b) => a - b)
  ends.push(bytes.length)
  // One buffer for all: one for each byte of a stream was a third of the time that the laws took.
  const copies = new ArrayBuffer(bytes.length + 16 * ends.length)
  let [start, free] = [0, 0]
  return ends.map((end, i) => {
    const copy = new Uint8Array(copies, Math.ceil(free / 8) * 8 + (i & 7), end - start)
    copy.set(bytes.subarray(start, end))
    start = end
    free = copy.byteOffset + copy.length
    return copy
  })
}

/** The cuts that leave pieces of one size. */
export const cutsEvery = (size: number, length: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, Math.ceil(length / size) - 1) }, (_, i) => (i + 1) * size)

/** The eight octets of a 64-bit number, the first the most significant; or the last `count` of them. */
export const bigEndian = (value: bigint, count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * (count - 1 - i))) & 0xffn))
