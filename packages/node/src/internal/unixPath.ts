/** The path of a unix socket, to listen at or to dial. */
import { OptionError } from "@websocket-stream/core/OptionError"

/** Why the system has no room for it, or takes it for none. */
export const checkUnixPath = (option: string, path: string | undefined): OptionError | undefined => {
  if (path === undefined) return undefined
  if (path === "" || path.includes("\0", hasAbstractNames ? 1 : 0)) {
    return new OptionError({ option, value: JSON.stringify(path), expected: "the path of a socket" })
  }
  return Buffer.byteLength(path) > longest
    ? new OptionError({ option, value: path, expected: `at most ${longest} bytes, as the system has it` })
    : undefined
}

// Names without a file, that begin with a NUL.
const hasAbstractNames = process.platform === "linux"

// Bytes that a `sockaddr_un` has room for. Node 22 cuts what is longer, and means another socket.
const longestPaths: Partial<Record<NodeJS.Platform, number>> = { linux: 107, win32: Infinity }
const longest = longestPaths[process.platform] ?? 103
