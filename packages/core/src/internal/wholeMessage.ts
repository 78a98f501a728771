/** Frames that are messages as they are, as nearly all are: a connection that gets no others needs no decoder of messages. */
import type { Frame } from "../Frame.ts"
import * as Opcode from "../Opcode.ts"
import { isText } from "./characters.ts"

interface Bounds {
  readonly maxMessageSize: number
  readonly maxFragments: number
  readonly isUtf8?: ((bytes: Uint8Array) => boolean) | undefined
}

/** Whether a whole frame is a message, between two others: final, of text or bytes, not compressed, and within the limits. */
export const isWholeMessage = ({ fin, opcode, payload, rsv1 }: Frame, bounds: Bounds): boolean => {
  if (!fin || rsv1) return false
  const { isUtf8 = isText, maxFragments, maxMessageSize } = bounds
  // Asked so that a limit which is no number lets nothing pass.
  if (!(payload.length <= maxMessageSize && maxFragments >= 1)) return false
  return opcode === Opcode.Binary || (opcode === Opcode.Text && isUtf8(payload))
}
