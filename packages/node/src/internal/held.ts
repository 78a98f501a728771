/** What a stream has read, and nobody has taken yet. */
import type { Duplex } from "node:stream"

/** All that a stream holds, if anything, in one piece: from Node 26 on `read` gives a chunk at a time. */
export const takeHeld = (duplex: Duplex): Uint8Array | undefined => {
  const chunks: Array<Uint8Array> = []
  // A read may make a stream hold more, and some would for ever.
  for (let left = duplex.readableLength; left > 0;) {
    const chunk: Uint8Array | null = duplex.read()
    if (chunk === null) break
    chunks.push(chunk)
    left -= chunk.length
  }
  return chunks.length > 1 ? Buffer.concat(chunks) : chunks[0]
}
