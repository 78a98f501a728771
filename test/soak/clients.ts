/** Clients that keep to the protocol, over our own `WebsocketClient`. */
import { CloseCode } from "@websocket-stream/core"
import { type Websocket, WebsocketClient } from "@websocket-stream/node"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { between, bytes, lengthOf, text } from "./bodies.ts"
import { type Client, greeting, type Kind } from "./client.ts"
import { Broken } from "./numbered.ts"
import { maxMessageSize, patience } from "./server.ts"

type Ws = Websocket.Websocket["Service"]

const connect = Effect.fnUntraced(function*(client: Client, kind: string, options?: WebsocketClient.Options) {
  const ws = yield* WebsocketClient.connect(client.url, { closeDeadline: patience, ...options })
  yield* ws.send(greeting(client, kind))
  return ws
})

/** Leaves, and is told that the server agrees. */
const leave = Effect.fnUntraced(function*(client: Client, ws: Ws) {
  const { code } = yield* ws.close()
  if (code !== CloseCode.Normal) {
    return yield* new Broken({ message: `client ${client.id}: closed, and was told ${code}` })
  }
})

const next = ({ outgoing, random }: Client, longest: number): string | Uint8Array => {
  const length = lengthOf(random, longest)
  return random.nextDoubleUnsafe() < 0.5 ? outgoing.text(text(random, length)) : outgoing.binary(bytes(random, length))
}

interface Exchange {
  readonly count: number
  readonly longest: number
  /** The most that are sent in one go. */
  readonly atOnce: number
}

const send = Effect.fnUntraced(function*(client: Client, ws: Ws, { atOnce, count, longest }: Exchange) {
  for (let left = count; left > 0;) {
    const some = Math.min(left, between(client.random, 1, atOnce))
    yield* ws.sendAll(Arr.makeBy(some, () => next(client, longest)))
    left -= some
  }
})

const receive = Effect.fnUntraced(function*({ incoming }: Client, ws: Ws, count: number) {
  const enough = incoming.received + count
  while (incoming.received < enough) {
    for (const message of yield* ws.receiveAll) incoming.take(message)
  }
})

/** Sends messages, and has every one of them sent back. */
const exchange = (client: Client, ws: Ws, options: Exchange) =>
  Effect.all([send(client, ws, options), receive(client, ws, options.count)], { concurrency: 2, discard: true })

const chatty: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ws = yield* connect(client, kind)
  yield* exchange(client, ws, { count: between(client.random, 50, 1500), longest: 4096, atOnce: 40 })
  yield* leave(client, ws)
})

const compressing: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ways: ReadonlyArray<WebsocketClient.Options["deflate"]> = [
    true,
    { serverNoContextTakeover: true },
    { clientMaxWindowBits: 10, serverMaxWindowBits: 9 }
  ]
  const ws = yield* connect(client, kind, {
    deflate: ways[client.id % ways.length],
    compression: { threshold: 32 }
  })
  yield* exchange(client, ws, { count: between(client.random, 20, 200), longest: 60_000, atOnce: 10 })
  yield* leave(client, ws)
})

const big: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ws = yield* connect(client, kind)
  for (let left = between(client.random, 1, 4); left > 0; left--) {
    const message = client.outgoing.binary(bytes(client.random, between(client.random, 100_000, maxMessageSize - 100)))
    const pieces = Arr.chunksOf(Arr.range(0, message.length >> 16), 1).map(([i]) =>
      message.subarray(i * 65_536, (i + 1) * 65_536)
    )
    const sending = left % 2 === 0 ? ws.sendStream("binary", Stream.fromIterable(pieces)) : ws.send(message)
    yield* Effect.all([sending, receive(client, ws, 1)], { concurrency: 2, discard: true })
  }
  yield* leave(client, ws)
})

const pinging: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ws = yield* connect(client, kind)
  for (let left = between(client.random, 20, 100); left > 0; left--) {
    const payload = bytes(client.random, between(client.random, 0, 125))
    yield* Effect.all([ws.ping(payload), exchange(client, ws, { count: 2, longest: 1000, atOnce: 2 })], {
      concurrency: 2,
      discard: true
    })
    client.count("pings answered")
  }
  yield* leave(client, ws)
})

const silent: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ws = yield* connect(client, kind)
  yield* client.othersGone
  yield* exchange(client, ws, { count: 1, longest: 100, atOnce: 1 })
  yield* leave(client, ws)
})

/** Is sent more than the system has room for, and takes its time over it. */
const slow: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ws = yield* WebsocketClient.connect(client.url, { receiveBuffer: 16 * 1024, closeDeadline: patience })
  const count = between(client.random, 100, 400)
  yield* ws.send(greeting(client, kind, { count, size: between(client.random, 1000, 60_000) }))
  while (client.incoming.received < count) {
    yield* receive(client, ws, 1)
    if (client.incoming.received % 10 === 0) yield* Effect.sleep("20 millis")
  }
  const reason = yield* Effect.match(ws.receive, { onFailure: ({ reason }) => reason, onSuccess: () => undefined })
  if (reason?._tag !== "Closed" || reason.code !== CloseCode.Normal) {
    const end = reason?.message ?? "another message"
    return yield* new Broken({ message: `client ${client.id}: behind what it was to be sent comes ${end}` })
  }
})

/** Goes while messages are on their way to it, and from it. */
const leaving: Kind["live"] = Effect.fnUntraced(function*(client, kind) {
  const ws = yield* connect(client, kind)
  const count = between(client.random, 10, 300)
  yield* Effect.forkScoped(Effect.ignore(send(client, ws, { count: 1000, longest: 2000, atOnce: 20 })))
  yield* receive(client, ws, count)
})

export const kinds: ReadonlyArray<Kind> = [
  { name: "chatty", share: 25, isWhole: true, live: chatty },
  { name: "compressing", share: 8, isWhole: true, live: compressing },
  { name: "big", share: 4, isWhole: true, live: big },
  { name: "pinging", share: 6, isWhole: true, live: pinging },
  { name: "silent", share: 10, isIdle: true, isWhole: true, live: silent },
  { name: "slow", share: 6, isWhole: true, live: slow },
  { name: "leaving", share: 9, isWhole: false, live: leaving }
]
