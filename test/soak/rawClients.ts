/** Clients that are nothing but a TCP socket: they cut messages as no library would, and go without a goodbye. */
import * as Effect from "effect/Effect"
import * as Raw from "../support/rawFrames.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { between, bytes, lengthOf, text } from "./bodies.ts"
import { type Client, greeting, type Kind } from "./client.ts"
import { Broken } from "./numbered.ts"

export const connect = Effect.fnUntraced(function*(client: Client, kind: string, extensions?: string) {
  const peer = yield* RawPeer.dial(client.port, extensions)
  yield* peer.send([{ opcode: Raw.text, payload: greeting(client, kind) }])
  return peer
})

/** The next message, in one frame. */
export const next = (
  { outgoing, random }: Client,
  longest: number
): Required<Pick<Raw.Shape, "opcode" | "payload">> => {
  const length = lengthOf(random, longest)
  return random.nextDoubleUnsafe() < 0.5
    ? { opcode: Raw.text, payload: outgoing.text(text(random, length)) }
    : { opcode: Raw.binary, payload: outgoing.binary(bytes(random, length)) }
}

/** Takes a frame that is a whole message. */
export const take = ({ id, incoming }: Client, { fin, opcode, payload, rsv }: Raw.Received): void => {
  if (!fin || rsv !== 0 || (opcode !== Raw.text && opcode !== Raw.binary)) {
    throw new Broken({ message: `client ${id}: a frame came of opcode ${opcode}, FIN ${fin} and RSV ${rsv}` })
  }
  incoming.take({ _tag: opcode === Raw.text ? "Text" : "Binary", payload })
}

/** Cuts a message anywhere, in the middle of a character as well, and puts pings between. */
const cut = ({ random }: Client, message: Raw.Shape): ReadonlyArray<Raw.Shape> => {
  const payload = Buffer.from(message.payload ?? "")
  const cuts = Array.from({ length: between(random, 0, 8) }, () => between(random, 0, payload.length))
  const ends = [...cuts.sort((a, b) => a - b), payload.length]
  return ends.flatMap((end, i): ReadonlyArray<Raw.Shape> => [
    { opcode: Raw.ping, payload: `${i}` },
    {
      opcode: i === 0 ? message.opcode : Raw.continuation,
      fin: i === ends.length - 1,
      payload: payload.subarray(i === 0 ? 0 : ends[i - 1], end)
    }
  ])
}

const fragmenting: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const { incoming, random } = client
  const peer = yield* connect(client, kind)
  for (let left = between(random, 5, 60); left > 0; left--) {
    const frames = cut(client, next(client, 20_000))
    const length = frames.reduce((sum, { payload = "" }) => sum + payload.length + 14, 0)
    const chops: ReadonlyArray<RawPeer.Chop> = [length, "frames", Math.ceil(length / between(random, 2, 30))]
    yield* peer.send(frames, chops[left % 3])
    const pings = frames.filter(({ opcode }) => opcode === Raw.ping).length
    const [before, newest] = [incoming.received, `${pings - 1}`]
    // RFC 6455 5.5.3: an answer to the newest ping is an answer to all of them.
    for (let answered = false; !answered || incoming.received === before;) {
      const frame = yield* peer.frame
      if (frame.opcode === Raw.pong) answered ||= frame.payload.toString() === newest
      else if (frame.opcode !== Raw.ping) take(client, frame)
    }
    client.count("pings answered", pings)
  }
  yield* peer.send([{ opcode: Raw.close, payload: Raw.closeBody(1000) }])
  const close = (yield* peer.rest).find(({ opcode }) => opcode === Raw.close)
  if (close === undefined || Raw.readClose(close).code !== 1000) {
    return yield* new Broken({ message: `client ${client.id}: the server did not agree to close` })
  }
})

/** Resets the connection in the middle of a message. */
const resetting: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const { random } = client
  const peer = yield* connect(client, kind)
  const count = between(random, 0, 50)
  yield* peer.send(Array.from({ length: count }, () => next(client, 3000)))
  for (let left = between(random, 0, count); left > 0; left--) take(client, yield* peer.frame)
  const frame = Raw.encode({ opcode: Raw.binary, payload: bytes(random, 5000) }, true)
  yield* peer.write(frame.subarray(0, between(random, 1, frame.length - 1)))
  peer.socket.resetAndDestroy()
  client.count("resets in the middle")
})

/** Never answers a ping, and is cut for it. */
const mute: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const peer = yield* connect(client, kind)
  yield* peer.ended
  client.count("mute ones cut")
})

export const kinds: ReadonlyArray<Kind> = [
  { name: "fragmenting", share: 8, isWhole: true, live: fragmenting },
  { name: "resetting", share: 10, isWhole: false, live: resetting },
  { name: "mute", share: 1, isIdle: true, isWhole: true, live: mute }
]
