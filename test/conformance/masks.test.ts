/** RFC 6455 5.1 and 5.3: who masks. */
import { assert, describe, it } from "@effect/vitest"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import { expectFailure, protocolError, run } from "../support/cases.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"

const wrong = (role: Role) => protocolError(role === "server" ? "MaskMissing" : "MaskForbidden")
const opcodes = [Raw.text, Raw.binary, Raw.close, Raw.ping, Raw.pong]

describe("masks", () => {
  inBothRoles((role) => {
    for (const opcode of opcodes) {
      it.live(`RFC 6455 5.1: opcode ${opcode}, masked by a server or not masked by a client`, () =>
        run(role, { name: "", send: [{ opcode, masked: role === "client" }], fails: wrong(role) }))
    }

    it.live("RFC 6455 5.1: a continuation with the wrong mask", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        yield* opened.peer.send([
          { opcode: Raw.text, payload: "a", fin: false },
          { opcode: Raw.continuation, payload: "b", masked: role === "client" }
        ])
        yield* expectFailure(opened, role, [], wrong(role))
      }))

    it.live("RFC 6455 5.3: a client draws a new key for every frame, a server draws none", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const chunks: Array<Buffer> = []
        // In front of the peer's own listener, which lets this test go on at once.
        peer.socket.prependListener("data", (chunk: Buffer) => chunks.push(chunk))
        const payload = Buffer.alloc(64, 0x61)
        for (let i = 0; i < 100; i++) yield* ws.send(payload)
        yield* peer.frames(100)
        const size = 2 + (role === "client" ? 4 : 0) + 64
        const bytes = Buffer.concat(chunks)
        const frames = new Set(Array.from({ length: 100 }, (_, i) => bytes.toString("hex", i * size, (i + 1) * size)))
        // 100 keys of 32 bits are all different but once in a million runs; 99 of them are in every run that ever will be.
        assert.isAtLeast(frames.size, role === "client" ? 99 : 1)
        if (role === "server") assert.strictEqual(frames.size, 1)
      }))
  })
})
