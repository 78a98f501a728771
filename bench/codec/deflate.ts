import { PermessageDeflate } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { strict as assert } from "node:assert"
import { PerMessageDeflate } from "ws"
// The package keeps it to itself: there is no public way to compress without a connection.
import { Deflater, Inflater } from "../../packages/node/src/internal/deflate.ts"
import { exactSize, short, size } from "../report/numbers.ts"
import { collected } from "../support/collected.ts"
import { cpu, inTurn } from "../support/rounds.ts"
import type { Measure } from "./part.ts"

const sizes = [1024, 4 * 1024, 16 * 1024]
const limit = 1024 * 1024

/** Compresses a message and inflates it again. */
type Way = (message: Buffer) => Effect.Effect<Uint8Array>

/** Messages through a compressor and back, by the CPU of all threads. */
export const deflate: Measure = (rounds) =>
  Effect.gen(function*() {
    const rows: Array<ReadonlyArray<string>> = []
    for (const takesOver of [true, false]) {
      for (const size of sizes) {
        const messages = Array.from({ length: 50 }, (_, i) => message(i, size))
        yield* check(ours(takesOver), messages)
        yield* check(theirs(takesOver), messages)
        if (rounds === 0) continue
        const [ourWay, theirWay] = [ours(takesOver), theirs(takesOver)]
        const [us = 0, them = 0] = yield* inTurn(rounds, [
          Effect.forEach(messages, ourWay, { discard: true }),
          Effect.forEach(messages, theirWay, { discard: true })
        ], cpu)
        const each = (nanoseconds: number) => `${short(nanoseconds / messages.length / 1e3)} µs`
        rows.push([exactSize(size), takesOver ? "taken over" : "not", each(us), each(them), short(them / us)])
      }
    }
    return {
      title: "Deflating and inflating a JSON message, CPU of all threads",
      header: ["message", "context", "ours", "`PerMessageDeflate` of `ws`", "ratio"],
      rows
    }
  })

/** What each keeps for a connection over which one message of 4 KiB has gone each way. */
export const deflateMemory: Measure = (rounds) =>
  Effect.gen(function*() {
    const rows: Array<ReadonlyArray<string>> = []
    for (const [name, make] of [["ours", ours], ["`PerMessageDeflate` of `ws`", theirs]] as const) {
      if (rounds === 0) continue
      const before = (yield* collected).rss
      const ways = Array.from({ length: 300 }, () => make(true))
      for (const [i, way] of ways.entries()) yield* way(message(i, 4096))
      const after = (yield* collected).rss
      rows.push([name, size((after - before) / ways.length)])
    }
    return { title: "Memory of the compressors of one connection, context taken over", header: ["", "resident"], rows }
  })

const message = (seed: number, size: number): Buffer => {
  const rows = Array.from(
    { length: Math.ceil(size / 64) },
    (_, i) => ({ id: seed * 1000 + i, user: `u${seed * i % 97}` })
  )
  return Buffer.from(JSON.stringify(rows).padEnd(size, " ").slice(0, size))
}

const check = (way: Way, messages: ReadonlyArray<Buffer>) =>
  Effect.forEach(messages, (message) => Effect.map(way(message), (inflated) => assert.ok(message.equals(inflated))), {
    discard: true
  })

const ours = (takesOver: boolean): Way => {
  const parameters = Result.getOrThrow(
    PermessageDeflate.make({ serverNoContextTakeover: !takesOver, clientNoContextTakeover: !takesOver })
  )
  const deflater = new Deflater("client", parameters, { threshold: 0, level: 6, memLevel: 8 })
  const inflater = new Inflater("server", parameters, limit)
  return (message) =>
    Effect.callback((resume) => {
      deflater.compress(message, ({ commit, payload }) => {
        commit()
        inflater.inflate(payload, (inflated) =>
          resume("error" in inflated ? Effect.die(inflated.error) : Effect.succeed(inflated.payload)))
      })
    })
}

const theirs = (takesOver: boolean): Way => {
  // Each its own: they are written to.
  const agreed = () => takesOver ? {} : { server_no_context_takeover: [true], client_no_context_takeover: [true] }
  const make = (isServer: boolean) => {
    const deflate = new PerMessageDeflate({ isServer, maxPayload: limit, threshold: 0 })
    deflate.accept([agreed()])
    return deflate
  }
  const [client, server] = [make(false), make(true)]
  return (message) =>
    Effect.callback((resume) => {
      client.compress(message, true, (_, deflated) => {
        server.decompress(deflated, true, (error, inflated) =>
          resume(error === null ? Effect.succeed(inflated) : Effect.die(error)))
      })
    })
}
