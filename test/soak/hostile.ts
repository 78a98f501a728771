/** Clients that break the protocol, each in its own way, and have to be told so by the right code. */
import * as Effect from "effect/Effect"
import { deflateRawSync } from "node:zlib"
import { exchange, request } from "../../packages/node/test/support/http.ts"
import * as Raw from "../support/rawFrames.ts"
import { between, bytes } from "./bodies.ts"
import type { Client, Kind } from "./client.ts"
import { Broken } from "./numbered.ts"
import { connect, next, take } from "./rawClients.ts"
import { maxMessageSize } from "./server.ts"

interface Offence {
  readonly frames: ReadonlyArray<Raw.Shape>
  /** The close code that it earns. */
  readonly code: number
  readonly extensions?: string
}

const text = (payload: string | Uint8Array, shape?: Partial<Raw.Shape>): Raw.Shape => ({
  opcode: Raw.text,
  payload,
  ...shape
})

const deflate = "permessage-deflate"
const bomb = deflateRawSync(Buffer.alloc(maxMessageSize + 1)).subarray(0, -1)

const offences: ReadonlyArray<Offence> = [
  { code: 1002, frames: [text("not masked", { masked: false })] },
  { code: 1002, frames: [text("RSV2", { rsv: 2 })] },
  { code: 1002, frames: [text("compressed, says who?", { rsv: Raw.rsv1 })] },
  { code: 1002, frames: [{ opcode: 3 }] },
  { code: 1002, frames: [{ opcode: 11 }] },
  { code: 1002, frames: [{ opcode: Raw.ping, fin: false }] },
  { code: 1002, frames: [{ opcode: Raw.ping, payload: Buffer.alloc(126) }] },
  { code: 1002, frames: [{ opcode: Raw.continuation, payload: "of what?" }] },
  { code: 1002, frames: [text("one", { fin: false }), text("two")] },
  { code: 1002, frames: [text("short", { lengthBytes: 8 })] },
  { code: 1002, frames: [text("endless", { announced: 2n ** 63n })] },
  { code: 1002, frames: [{ opcode: Raw.close, payload: "1" }] },
  { code: 1002, frames: [{ opcode: Raw.close, payload: Raw.closeBody(1006) }] },
  { code: 1007, frames: [{ opcode: Raw.close, payload: Raw.closeBody(1000, Buffer.from([0xff])) }] },
  { code: 1007, frames: [text(Buffer.from([0xed, 0xa0, 0x80]))] },
  { code: 1007, frames: [text(Buffer.from([0xc3]), { fin: false }), { opcode: Raw.continuation, payload: "(" }] },
  { code: 1009, frames: [text("much", { announced: BigInt(maxMessageSize + 1) })] },
  { code: 1007, extensions: deflate, frames: [text(Buffer.alloc(20, 0xff), { rsv: Raw.rsv1 })] },
  { code: 1009, extensions: deflate, frames: [text(bomb, { rsv: Raw.rsv1 })] }
]

/** Says a few things that are right, which are answered, and then one that is not. */
const offend = Effect.fnUntraced(function*(client: Client, kind: string, { code, extensions, frames }: Offence) {
  const peer = yield* connect(client, kind, extensions)
  const right = extensions === undefined ? between(client.random, 0, 20) : 0
  yield* peer.send([...Array.from({ length: right }, () => next(client, 1000)), ...frames])
  const came = (yield* peer.rest).filter(({ opcode }) => opcode !== Raw.ping)
  const close = came.at(-1)
  for (const frame of came.slice(0, -1)) take(client, frame)
  const said = close?.opcode === Raw.close ? Raw.readClose(close).code : undefined
  if (said !== code || client.incoming.received !== right) {
    const problem = `was told ${said} instead of ${code} for ${JSON.stringify(frames, show)}`
    return yield* new Broken({
      message: `client ${client.id}: ${client.incoming.received} of ${right} came; it ${problem}`
    })
  }
  client.count(`hostile ones told ${code}`)
})

const show = (_: string, value: unknown) => typeof value === "bigint" ? `${value}` : value

const heads: ReadonlyArray<readonly [status: number, request: string]> = [
  [400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
  [400, request({ headers: { "Sec-WebSocket-Key": "short" } })],
  [400, request({ headers: { "Sec-WebSocket-Key": undefined } })],
  [426, request({ headers: { "Sec-WebSocket-Version": "12", Connection: "Upgrade, close" } })],
  [403, request({ headers: { Origin: "https://elsewhere.test" } })],
  [431, request({ headers: { Cookie: "a".repeat(40_000) } })]
]

/** Does not even get in. */
const knock = Effect.fnUntraced(function*(client: Client, [expected, head]: (typeof heads)[number]) {
  const { status } = yield* exchange(client.port, head)
  if (status !== expected) {
    return yield* new Broken({ message: `client ${client.id}: status ${status} instead of ${expected} for ${head}` })
  }
  client.count(`hostile ones refused with ${status}`)
})

/** What cannot be understood at all. Whoever gets it closes sooner or later, and we do when we have said enough. */
const babble = Effect.fnUntraced(function*(client: Client, kind: string) {
  const peer = yield* connect(client, kind)
  const nonsense = Buffer.from(bytes(client.random, between(client.random, 1, 5000)))
  // RSV2, which nobody has agreed on: one babble in five hundred begins like a frame, and would be a message of nobody's.
  nonsense[0]! |= 0x20
  yield* peer.write(nonsense)
  yield* peer.end
  yield* peer.ended
  client.count("hostile ones that babbled")
})

const live: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const way = between(client.random, 0, offences.length + heads.length)
  if (way < offences.length) yield* offend(client, kind, offences[way]!)
  else if (way > offences.length) yield* knock(client, heads[way - offences.length - 1]!)
  else yield* babble(client, kind)
})

export const kinds: ReadonlyArray<Kind> = [{ name: "hostile", share: 13, isWhole: false, live }]
