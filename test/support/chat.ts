/** The chat in this process, its page in a browser, and members of it that are plain clients. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Page } from "playwright-core"
import { Chat } from "../../examples/chat/chat.ts"
import type { Join, Say, ServerMessage } from "../../examples/chat/protocol.ts"
import { serve } from "../../examples/chat/server.ts"
import { openPage } from "./chromium.ts"
import { click, see } from "./page.ts"
import * as Ws from "./wsPeer.ts"

/** Where a chat listens: `127.0.0.1` and its port. */
export class ChatServer extends Context.Service<ChatServer, { readonly host: string }>()("test/ChatServer") {
  static readonly layer = Layer.effect(ChatServer, Effect.suspend(() => listen(0)))
}

/** Serves a chat of its own, until the scope closes. */
export const listen = (port: number) =>
  Effect.gen(function*() {
    const chat = yield* Layer.build(Layer.merge(Chat.layer, NodeServices.layer))
    const listening = yield* Effect.orDie(Effect.provideContext(serve({ port }), chat))
    return { host: `127.0.0.1:${listening}` }
  })

/** A page of its own, which has joined a room. */
export const visit = Effect.fnUntraced(function*(name: string, room: string) {
  const { host } = yield* ChatServer
  const page = yield* openPage
  yield* Effect.promise(() => page.goto(`http://${host}/`))
  yield* join(page, name, room)
  return page
})

export const join = Effect.fnUntraced(function*(page: Page, name: string, room: string) {
  yield* Effect.promise(() => page.getByLabel("Name", { exact: true }).fill(name))
  yield* Effect.promise(() => page.getByLabel("Room", { exact: true }).fill(room))
  yield* click(page, "Join")
  yield* see(page, "#chat-status", "Connected")
})

/** Says something, as one does with a keyboard. */
export const say = (page: Page, text: string) =>
  Effect.promise(async () => {
    const input = page.getByLabel("Message", { exact: true })
    await input.fill(text)
    await input.press("Enter")
  })

/** Who the page says is in the room. */
export const members = (page: Page) => Effect.promise(() => page.locator("#members bdi").allInnerTexts())

/** A member that is a plain client, once it was welcomed. */
export const enter = Effect.fnUntraced(function*(name: string, room: string) {
  const { peer, socket } = yield* dial
  yield* peer.send(wire({ _tag: "Join", room, name }))
  const hear = Effect.map(peer.receive, (message): ServerMessage => JSON.parse(String(message)))
  /** The next message of a kind; others are dropped. */
  const hearNext = <Tag extends ServerMessage["_tag"]>(
    tag: Tag
  ): Effect.Effect<ServerMessage & { readonly _tag: Tag }> =>
    Effect.filterOrElse(
      hear,
      (message): message is ServerMessage & { readonly _tag: Tag } => message._tag === tag,
      () => hearNext(tag)
    )
  const welcome = yield* hear
  assert(welcome._tag === "Welcome")
  return { peer, socket, welcome, hear, hearNext, say: (text: string) => peer.send(wire({ _tag: "Say", text })) }
})

/** A plain client that has not said yet who it is. */
export const dial = Effect.flatMap(ChatServer, ({ host }) => Ws.dial({ url: `ws://${host}/chat` }))

export const wire = (message: Plain<Join> | Plain<Say>) => JSON.stringify(message)

/** Without what makes it an instance of its class. */
type Plain<Message> = { readonly [Key in keyof Message]: Message[Key] }
