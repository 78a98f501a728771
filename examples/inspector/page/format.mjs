/** How numbers, times and payloads are written. */

const units = ["B", "KiB", "MiB", "GiB"]

/** @param {number} bytes */
export const size = (bytes) => {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** @param {number} value */
export const count = (value) => value.toLocaleString("en")

/**
 * The time of day, its hours apart.
 *
 * @param {number} at milliseconds since 1970
 */
export const time = (at) => {
  const date = new Date(at)
  const two = (value) => `${value}`.padStart(2, "0")
  return [
    `${two(date.getHours())}:`,
    `${two(date.getMinutes())}:${two(date.getSeconds())}.${`${date.getMilliseconds()}`.padStart(3, "0")}`
  ]
}

/**
 * What can be shown of a payload in a line: a close code, text where it is text, and else its bytes.
 *
 * @param {{ opcode: string, size: number, isText: boolean, head: string }} frame
 */
export const payload = ({ head, isText, opcode, size }) => {
  const bytes = Uint8Array.from(atob(head), (char) => char.charCodeAt(0))
  const more = size > bytes.length ? " …" : ""
  if (opcode === "Close") return closing(bytes) + more
  // A ping may hold anything, and most hold text.
  return (isText || (opcode.startsWith("P") && isAscii(bytes)) ? text(bytes) : hex(bytes)) + more
}

const closing = (bytes) => {
  if (bytes.length < 2) return ""
  const reason = text(bytes.subarray(2))
  return `${closeCode(bytes[0] * 256 + bytes[1])}${reason === "" ? "" : `: ${reason}`}`
}

const isAscii = (bytes) => bytes.every((byte) => byte >= 0x20 && byte < 0x7f)

// As a stream, because the end of the head may cut a character.
const text = (bytes) => visible(new TextDecoder().decode(bytes, { stream: true }))

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ")

// Unicode has pictures of the control characters, in their order.
const visible = (string) =>
  string.replaceAll(/\p{Cc}/gu, (char) => char < " " ? String.fromCodePoint(0x2400 + char.codePointAt(0)) : "\ufffd")

/** @param {number} code */
export const closeCode = (code) => {
  const name = closeCodes.get(code)
  return name === undefined ? `${code}` : `${code} ${name}`
}

const closeCodes = new Map([
  [1000, "Normal"],
  [1001, "Going away"],
  [1002, "Protocol error"],
  [1003, "Unsupported data"],
  [1005, "No code"],
  [1006, "No Close frame"],
  [1007, "Invalid payload data"],
  [1008, "Policy violation"],
  [1009, "Message too big"],
  [1010, "Mandatory extension"],
  [1011, "Internal error"],
  [1012, "Service restart"],
  [1013, "Try again later"],
  [1014, "Bad gateway"]
])
