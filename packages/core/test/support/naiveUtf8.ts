/**
 * UTF-8 by its definition: a text is characters, and a character is what `TextEncoder` writes of a code point. All beginnings
 * of all characters are written down, and bytes are looked up among them.
 */

/** Every beginning of a character that is not yet the whole of it, with the length of the whole. */
const beginnings: ReadonlyMap<number, number> = (() => {
  const found = new Map<number, number>()
  const isSurrogate = (code: number) => code >= 0xd800 && code <= 0xdfff
  // From U+0800 on, 64 characters after each other differ in their last byte only.
  for (let code = 0x80; code <= 0x10_ffff; code += code < 0x800 ? 1 : 64) {
    if (isSurrogate(code)) continue
    const bytes = new TextEncoder().encode(String.fromCodePoint(code))
    for (let length = 1; length < bytes.length; length++) found.set(keyOf(bytes, 0, length), bytes.length)
  }
  return found
})()

/** Where the bytes cannot go on as UTF-8, and whether they end between two characters. */
export const check = (bytes: Uint8Array): { readonly invalidAt: number | undefined; readonly isWhole: boolean } => {
  let start = 0
  for (let at = 0; at < bytes.length; at++) {
    const length = at === start ? (bytes[at]! < 0x80 ? 1 : undefined) : beginnings.get(keyOf(bytes, start, at))
    const isTail = bytes[at]! >= 0x80 && bytes[at]! <= 0xbf
    if (length === at - start + 1 && (length === 1 || isTail)) start = at + 1
    else if (!beginnings.has(keyOf(bytes, start, at + 1))) return { invalidAt: at, isWhole: false }
  }
  return { invalidAt: undefined, isWhole: start === bytes.length }
}

// A first byte is never zero, so that no two beginnings are one number.
function keyOf(bytes: Uint8Array, start: number, end: number): number {
  let key = 0
  for (let i = start; i < end; i++) key = key * 256 + bytes[i]!
  return key
}
