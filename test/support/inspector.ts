/** The inspector on the page of `npm start`, served by this process, and its endpoints from a plain client. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Opcode } from "@websocket-stream/core"
import { WebsocketClient } from "@websocket-stream/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Page } from "playwright-core"
import { Chat } from "../../examples/chat/chat.ts"
import type { Command, Report, Welcome } from "../../examples/inspector/protocol.ts"
import { serve } from "../../examples/start/server.ts"
import { openPage } from "./chromium.ts"
import { see } from "./page.ts"

/** Where it listens: `127.0.0.1` and its port. */
export class Inspector extends Context.Service<Inspector, { readonly host: string }>()("test/Inspector") {
  static readonly layer = Layer.effect(
    Inspector,
    Effect.map(serve({ port: 0 }), (port) => ({ host: `127.0.0.1:${port}` }))
  ).pipe(Layer.provide([Chat.layer, NodeServices.layer]))
}

/** A page of its own, connected. */
export const visit = Effect.gen(function*() {
  const { host } = yield* Inspector
  const page = yield* openPage
  yield* Effect.promise(() => page.goto(`http://${host}/`))
  yield* see(page, "#status", "Connected")
  return page
})

export const fillClose = (page: Page, code: number, reason: string) =>
  Effect.andThen(
    Effect.promise(() => page.getByLabel("Code", { exact: true }).fill(`${code}`)),
    Effect.promise(() => page.getByLabel("Reason", { exact: true }).fill(reason))
  )

interface Row {
  readonly direction: string | undefined
  readonly opcode: string
  readonly fin: string
  readonly bytes: string
  readonly payload: string
}

/** The list of frames, once it has this many: newest first. */
export const framesOnce = (page: Page, count: number): Effect.Effect<ReadonlyArray<Row>> =>
  Effect.andThen(
    Effect.promise(() => page.locator("#frames tr").nth(count - 1).waitFor()),
    Effect.promise(() =>
      page.locator("#frames tr").evaluateAll((rows) =>
        rows.map((row) => {
          const [mark, _, opcode, fin, bytes, payload] = [...row.children]
          const direction = mark?.querySelector<HTMLElement>(".mark")?.dataset["direction"]
          const text = (cell: Element | undefined) => cell?.textContent ?? ""
          return { direction, opcode: text(opcode), fin: text(fin), bytes: text(bytes), payload: text(payload) }
        })
      )
    )
  )

/** What the page's next echo connections bring back. */
export const watchEcho = (page: Page): Array<Buffer> => {
  const echoed: Array<Buffer> = []
  page.on("websocket", (socket) => {
    if (socket.url().includes("/echo")) {
      socket.on("framereceived", ({ payload }) => echoed.push(Buffer.from(payload)))
    }
  })
  return echoed
}

/** A session, with its control channel and its echo connection. */
export const inspect = Effect.gen(function*() {
  const { host } = yield* Inspector
  const stream = yield* WebsocketClient.connectStream(`ws://${host}/inspect`)
  const hear = <Message extends Welcome | Report>() =>
    Effect.map(stream.read, ({ payload }): Message => JSON.parse(Buffer.from(payload).toString()))
  const { session } = yield* hear<Welcome>()
  const echo = yield* WebsocketClient.connectStream(`ws://${host}/echo?session=${session}`)
  const tell = (command: Command) => stream.write(Opcode.Text, JSON.stringify(command))
  return { stream, echo, tell, nextReport: hear<Report>() }
})
