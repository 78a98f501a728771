/**
 * Texts that many connections have in common: a host, a browser's name, what a browser accepts, a proxy's address. Whoever keeps
 * them would have a copy of each, half a kilobyte of what a browser sends.
 */

/** The same text, and the same string as whoever came with it before, where that is known. */
export const shared = (text: string): string => {
  const known = texts.get(text)
  if (known !== undefined) return known
  // Peers choose what is kept: so little of it that it does not matter, and never what is told to a single peer for long.
  if (text.length <= longest) {
    if (texts.size >= most) texts.clear()
    texts.set(text, text)
  }
  return text
}

// Characters.
const longest = 256
const most = 512

const texts = new Map<string, string>()
