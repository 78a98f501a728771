/** The inspector: its page in a real browser, its endpoints from plain clients, and the program itself. */
import { assert, describe, it, layer } from "@effect/vitest"
import { CloseCode, Frame, Opcode } from "@websocket-stream/core"
import { WebsocketClient } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomBytes } from "node:crypto"
import { capacity, Journal } from "../examples/inspector/journal.ts"
import { start } from "./support/childProcess.ts"
import { Chromium, isMissing, openPage } from "./support/chromium.ts"
import * as Examples from "./support/examples.ts"
import { fillClose, framesOnce, inspect, Inspector, visit, watchEcho } from "./support/inspector.ts"
import { click, see } from "./support/page.ts"

/** The program that it is a part of, by its name among the examples. */
const program = "start/main"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

describe.skipIf(isMissing)("the inspector's page, in Chromium", () => {
  layer(Layer.merge(Chromium.layer, Inspector.layer), live)((it) => {
    it.effect("sends text and shows it both ways", () =>
      Effect.gen(function*() {
        const page = yield* visit
        yield* Effect.promise(() => page.getByLabel("Text", { exact: true }).fill("Grüße"))
        yield* click(page, "Send text")
        const frames = yield* framesOnce(page, 2)
        const text = { opcode: "Text", fin: "1", bytes: "7", payload: "Grüße" }
        assert.deepStrictEqual(frames, [{ direction: "written", ...text }, { direction: "read", ...text }])
        yield* see(page, "#received", "7 B 1 message")
      }))

    it.effect("sends a file as binary and gets the same bytes back", () =>
      Effect.gen(function*() {
        const page = yield* visit
        const bytes = randomBytes(300_000)
        const echoed = watchEcho(page)
        yield* Effect.promise(() => page.reload())
        yield* see(page, "#status", "Connected")
        yield* Effect.promise(() =>
          page.locator("#file").setInputFiles({ name: "a.bin", mimeType: "image/png", buffer: bytes })
        )
        yield* click(page, "Send file")
        yield* see(page, "#received", "293 KiB 1 message")
        assert.isTrue(Buffer.concat(echoed).equals(bytes))
        // A browser may send a message in pieces: their sizes are its size, and the first is the binary one. The pong comes
        // behind all of them.
        yield* click(page, "Ping from the server")
        yield* see(page, "#frames tr:first-child td:nth-child(3)", "Pong")
        const frames = (yield* framesOnce(page, 4)).filter(({ direction, opcode }) =>
          direction === "read" && opcode !== "Pong"
        )
        assert.strictEqual(frames.at(-1)?.opcode, "Binary")
        assert.strictEqual(frames.at(0)?.fin, "1")
        const sizes = frames.map(({ bytes }) => Number(bytes.replaceAll(",", "")))
        assert.strictEqual(sizes.reduce((sum, size) => sum + size, 0), bytes.length)
      }))

    it.effect("lets messages pile up in the page while the server does not read, and drain when it does", () =>
      Effect.gen(function*() {
        const page = yield* visit
        yield* click(page, "Pause reading")
        yield* see(page, "#status", "Connected, reading paused")
        yield* click(page, "Flood")
        // Past what the kernel and the browser itself take, everything waits in the page.
        yield* see(page, "#buffered", /^([4-9]|\d\d)\.\d MiB$/)
        yield* click(page, "Stop flood")
        yield* see(page, "#read", "0 B 0 frames")
        yield* click(page, "Resume reading")
        yield* see(page, "#status", "Connected")
        yield* see(page, "#buffered", "0 B")
        yield* see(page, "#received", yield* Effect.promise(() => page.locator("#sent").innerText()))
      }))

    it.effect("switches the server to NonBlock and counts WouldBlock", () =>
      Effect.gen(function*() {
        const page = yield* visit
        yield* see(page, "#read-would-block", "0")
        yield* Effect.promise(() => page.getByText("NonBlock", { exact: true }).click())
        yield* see(page, "#mode-effect", /answers WouldBlock/)
        yield* click(page, "Send text")
        yield* framesOnce(page, 2)
        yield* see(page, "#read-would-block", /^[1-9]/)
        yield* Effect.promise(() => page.getByText("Block", { exact: true }).click())
        yield* see(page, "#mode-effect", "A read or a write that cannot go on waits.")
      }))

    it.effect("pings from the server and shows the browser's pong", () =>
      Effect.gen(function*() {
        const page = yield* visit
        yield* click(page, "Ping from the server")
        const frames = yield* framesOnce(page, 2)
        const rest = { fin: "1", bytes: "14", payload: "are you there?" }
        assert.deepStrictEqual(frames, [
          { direction: "read", opcode: "Pong", ...rest },
          { direction: "written", opcode: "Ping", ...rest }
        ])
      }))

    it.effect("closes from the server with a code and a reason, and connects again", () =>
      Effect.gen(function*() {
        const page = yield* visit
        yield* fillClose(page, 4001, "enough")
        yield* click(page, "From the server")
        yield* see(page, "#status", "Closed: 4001, “enough”")
        const close = { opcode: "Close", fin: "1", bytes: "8", payload: "4001: enough" }
        assert.deepStrictEqual(yield* framesOnce(page, 2), [
          { direction: "read", ...close },
          { direction: "written", ...close }
        ])
        yield* click(page, "Connect")
        yield* see(page, "#status", "Connected")
      }))

    it.effect("closes from the page, even while the server does not read yet", () =>
      Effect.gen(function*() {
        const page = yield* visit
        yield* click(page, "Pause reading")
        yield* see(page, "#status", "Connected, reading paused")
        yield* fillClose(page, 1011, "")
        yield* click(page, "From the page")
        yield* see(page, "#close-problem", "A page may close with 1000, or with 3000 to 4999.")
        yield* fillClose(page, 3000, "bye")
        yield* click(page, "From the page")
        yield* see(page, "#status", "Closing: the server must read on to see it")
        yield* click(page, "Resume reading")
        yield* see(page, "#status", "Closed: 3000, “bye”")
      }))

    it.effect("is told 1001 when the program is ended, which exits with 0", () =>
      Effect.gen(function*() {
        const { ended, kill, url } = yield* Examples.serve(program)
        const page = yield* openPage
        yield* Effect.promise(() => page.goto(url))
        yield* see(page, "#status", "Connected")
        yield* kill("SIGTERM")
        yield* see(page, "#status", "Closed: 1001 Going away")
        assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
      }))
  })
})

layer(Inspector.layer, live)("the inspector's endpoints", (it) => {
  it.effect.each(
    [
      ["/", 200, "text/html; charset=utf-8"],
      ["/?from=a-link", 200, "text/html; charset=utf-8"],
      ["/inspector/page/inspector.css", 200, "text/css; charset=utf-8"],
      ["/inspector/page/main.mjs", 200, "text/javascript; charset=utf-8"],
      ["/support/page/icon.svg", 200, "image/svg+xml"],
      ["/echo", 426, "text/plain; charset=utf-8"],
      ["/inspect", 426, "text/plain; charset=utf-8"],
      ["/inspector/page/panel.html", 404, "text/plain"],
      ["/inspector/page/../echo.ts", 404, "text/plain"],
      ["/inspector/echo.ts", 404, "text/plain"]
    ] as const
  )("answer GET %s with %i", ([path, status, type]) =>
    Effect.gen(function*() {
      const { host } = yield* Inspector
      const response = yield* Effect.promise(() => fetch(`http://${host}${path}`))
      assert.deepStrictEqual([response.status, response.headers.get("content-type")], [status, type])
      yield* Effect.promise(() => response.arrayBuffer())
    }))

  it.effect.each(["/", "/nowhere", "/echo?session=unknown"])(
    "open no connection at %s: 404",
    (path) =>
      Effect.gen(function*() {
        const { host } = yield* Inspector
        const { reason } = yield* Effect.flip(WebsocketClient.connectStream(`ws://${host}${path}`))
        assert.strictEqual(reason._tag === "Refused" && reason.status, 404)
      })
  )

  it.effect("echo fragments as they were, without a session", () =>
    Effect.gen(function*() {
      const { host } = yield* Inspector
      const stream = yield* WebsocketClient.connectStream(`ws://${host}/echo`)
      const frames = [
        Frame.make(Opcode.Text, Buffer.from("a"), { fin: false }),
        Frame.make(Opcode.Continuation, Buffer.from("b")),
        Frame.make(Opcode.Close, Buffer.from([3, 232]))
      ] as const
      yield* stream.writeAll(frames)
      for (const { fin, opcode, payload } of frames) {
        const echo = yield* stream.read
        assert.deepStrictEqual([echo.opcode, echo.fin, ...echo.payload], [opcode, fin, ...payload])
      }
    }))

  it.effect.each(
    [
      ["no JSON", "{", CloseCode.PolicyViolation],
      ["an unknown command", `{"_tag":"Explode"}`, CloseCode.PolicyViolation],
      ["a code that may not be sent", `{"_tag":"Close","code":1006,"reason":""}`, CloseCode.PolicyViolation],
      ["binary", new Uint8Array(2), CloseCode.UnsupportedData],
      ["more than a command takes", " ".repeat(2000), CloseCode.MessageTooBig]
    ] as const
  )("close a control channel that sends %s", ([, data, code]) =>
    Effect.gen(function*() {
      const { stream } = yield* inspect
      yield* stream.write(typeof data === "string" ? Opcode.Text : Opcode.Binary, data)
      while (true) {
        const { opcode, payload } = yield* stream.read
        if (opcode !== Opcode.Close) continue
        assert.strictEqual(Buffer.from(payload).readUInt16BE(), code)
        return
      }
    }))

  it.effect("count what a page misses that does not read its reports, and go on echoing", () =>
    Effect.gen(function*() {
      const { echo, nextReport } = yield* inspect
      const count = 2000
      for (let i = 0; i < count; i++) {
        yield* echo.write(Opcode.Binary, new Uint8Array(1024))
        yield* echo.read
      }
      let told = 0
      let dropped = 0
      while (told + dropped < 2 * count) {
        const report = yield* nextReport
        assert.isAtMost(report.frames.length, capacity)
        told += report.frames.length
        dropped += report.dropped
      }
      assert.strictEqual(told + dropped, 2 * count)
    }))

  it.effect("read on when the page that paused them has gone", () =>
    Effect.gen(function*() {
      const { echo, nextReport, stream, tell } = yield* inspect
      yield* tell({ _tag: "Pause" })
      while (!(yield* nextReport).paused);
      yield* echo.write(Opcode.Text, "still here")
      yield* stream.write(Opcode.Close, new Uint8Array(0))
      assert.strictEqual(Buffer.from((yield* echo.read).payload).toString(), "still here")
    }))
})

describe("the inspector's journal", () => {
  it("keeps the latest frames, counts the others, and keeps no payload alive", () => {
    const journal = new Journal()
    for (let at = 0; at < capacity + 10; at++) {
      journal.add(at, "read", Frame.make(Opcode.Text, Buffer.alloc(100_000, "x")))
    }
    const { dropped, frames } = journal.take()
    assert.strictEqual(dropped, 10)
    assert.strictEqual(frames.length, capacity)
    assert.deepInclude(frames[0], { at: 10, opcode: "Text", isText: true, size: 100_000 })
    assert.strictEqual(frames[0]!.head, Buffer.alloc(64, "x").toString("base64"))
    assert.deepStrictEqual(journal.take(), { dropped: 0, frames: [] })
  })

  it("knows which message a continuation belongs to, in each direction", () => {
    const journal = new Journal()
    const add = (direction: "read" | "written", opcode: Opcode.Opcode) =>
      journal.add(0, direction, Frame.make(opcode, new Uint8Array(1), { fin: false }))
    add("read", Opcode.Text)
    add("written", Opcode.Binary)
    add("read", Opcode.Continuation)
    add("written", Opcode.Continuation)
    assert.deepStrictEqual(journal.take().frames.map(({ isText }) => isText), [true, false, true, false])
  })
})

describe("the inspector as a program", () => {
  it.live("says where it listens, and what to do about a port in use: a line each", () =>
    Effect.gen(function*() {
      const first = yield* Examples.run(program, "--port", "0")
      const line = yield* first.line
      assert.match(line, /^listening on http:\/\/127\.0\.0\.1:\d+$/)
      const port = line.split(":").at(-1)!
      const second = yield* Examples.run(program, "--port", port)
      const stderr = `port ${port} is in use; stop what listens there, or take another one with --port N ` +
        "(by npm: npm start -- --port N; 0 picks a free one)\n"
      assert.deepStrictEqual(yield* second.ended, { status: 1, signal: null, stderr })
    }))

  it.live("takes its port from the environment when it is told none", () =>
    Effect.gen(function*() {
      const env = ["PORT=0", process.execPath, `examples/${program}.ts`]
      const { line } = yield* start("env", env, { cwd: new URL("../", import.meta.url) })
      assert.match(yield* line, /^listening on http:\/\/127\.0\.0\.1:(?!8080)\d+$/)
    }))
})
