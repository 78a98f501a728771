/** The bytes of pieces that are sent as one message. A character that two strings share goes whole, with the second of them. */
export class PieceBytes {
  private half = ""

  of(piece: string | Uint8Array): Uint8Array {
    if (typeof piece === "string") return this.ofText(this.half + piece)
    // Of a caller without types. Found before the connection takes the piece for sent.
    if (!(piece instanceof Uint8Array)) throw new TypeError("a piece must be a string or bytes")
    // What is empty parts no halves.
    return this.half === "" || piece.length === 0 ? piece : Buffer.concat([this.takeRest(), piece])
  }

  /** Takes what is left behind the last: nothing, unless that ends in the middle of a character. */
  takeRest(): Uint8Array {
    const { half } = this
    this.half = ""
    return Buffer.from(half)
  }

  private ofText(text: string): Uint8Array {
    const last = text.charCodeAt(text.length - 1)
    this.half = last >= 0xd800 && last < 0xdc00 ? text.slice(-1) : ""
    return Buffer.from(this.half === "" ? text : text.slice(0, -1))
  }
}
