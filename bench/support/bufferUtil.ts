import { createRequire } from "node:module"

/** The addon that `ws` unmasks with where it is installed. */
export interface BufferUtil {
  readonly unmask: (bytes: Uint8Array, mask: Uint8Array) => void
}

const load = (): BufferUtil | undefined => {
  try {
    const found: BufferUtil = createRequire(import.meta.url)("bufferutil")
    // Without a binary for the platform it is the JavaScript that `ws` has itself.
    return String(found.unmask).includes("[native code]") ? found : undefined
  } catch {
    return undefined
  }
}

export const bufferUtil = load()
