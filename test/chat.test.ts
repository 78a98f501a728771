/** The chat's page in a real browser, and the program. What plain clients meet is in `chat.server.test.ts`. */
import { assert, describe, it, layer } from "@effect/vitest"
import { CloseCode } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import type { ServerMessage } from "../examples/chat/protocol.ts"
import { ChatServer, enter, join, listen, members, say, visit } from "./support/chat.ts"
import { Chromium, isMissing, openPage } from "./support/chromium.ts"
import * as Examples from "./support/examples.ts"
import { click, see } from "./support/page.ts"
import * as Relay from "./support/relay.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

/** What an entry of the log says: who, and what. */
const entry = (name: string, text: string) => new RegExp(`^${name}\\d\\d:\\d\\d${text}$`)

describe.skipIf(isMissing)("the chat's page, in Chromium", () => {
  layer(Layer.merge(Chromium.layer, ChatServer.layer), live)((it) => {
    it.effect("shows two in a room what each says, and who is there", () =>
      Effect.gen(function*() {
        const ada = yield* visit("Ada", "garden")
        const bob = yield* visit("Bob", "garden")
        yield* see(ada, "#chat-log .event", "Bob came in")
        assert.deepStrictEqual(yield* members(ada), ["Ada", "Bob"])
        assert.deepStrictEqual(yield* members(bob), ["Ada", "Bob"])
        yield* see(bob, "#members li", "Bob you")
        yield* say(ada, "Grüße, Bob")
        yield* say(bob, "Hello")
        for (const page of [ada, bob]) {
          yield* see(page, "#chat-log .entry", entry("Ada", "Grüße, Bob"))
          yield* see(page, "#chat-log .entry", entry("Bob", "Hello"))
        }
        // What is one's own is told apart.
        assert.strictEqual(yield* Effect.promise(() => bob.locator(".entry.own .text").innerText()), "Hello")
        yield* click(bob, "Leave")
        yield* see(bob, "#chat-status", "Not joined")
        yield* see(ada, "#chat-log .event", "Bob left")
        assert.deepStrictEqual(yield* members(ada), ["Ada"])
      }))

    it.effect("keeps rooms apart", () =>
      Effect.gen(function*() {
        const here = yield* visit("Ada", "here")
        const there = yield* visit("Bob", "there")
        yield* say(here, "is anybody here?")
        yield* see(here, "#chat-log .entry", entry("Ada", "is anybody here\\?"))
        yield* say(there, "is anybody there?")
        yield* see(there, "#chat-log .entry", entry("Bob", "is anybody there\\?"))
        for (const page of [here, there]) {
          assert.strictEqual(yield* Effect.promise(() => page.locator("#chat-log .entry").count()), 1)
          assert.strictEqual((yield* members(page)).length, 1)
        }
      }))

    it.effect("shows markup in names, rooms and texts as what it is", () =>
      Effect.gen(function*() {
        const markup = "<img src=x onerror=alert(1)>"
        const page = yield* visit(markup, markup)
        yield* say(page, `<b>${markup}</b>`)
        yield* see(page, "#chat-log .text", `<b>${markup}</b>`)
        assert.deepStrictEqual(yield* members(page), [markup])
        yield* see(page, "#room-name", markup)
        yield* see(page, "#own-name", markup)
        yield* see(page, "#chat-log .event", `${markup} (you) came in`)
        assert.strictEqual(yield* Effect.promise(() => page.locator(".chat :is(img, b)").count()), 0)
      }))

    it.effect("is seen to leave and to come back when it is loaded anew", () =>
      Effect.gen(function*() {
        const ada = yield* visit("Ada", "loaded anew")
        const bob = yield* visit("Bob", "loaded anew")
        yield* see(ada, "#chat-log .event", "Bob came in")
        yield* Effect.promise(() => bob.reload())
        yield* see(bob, "#chat-status", "Connected")
        const events = ada.locator("#chat-log .event")
        yield* Effect.promise(() => events.nth(3).waitFor())
        assert.deepStrictEqual(
          (yield* Effect.promise(() => events.allInnerTexts())).slice(1),
          ["Bob came in", "Bob left", "Bob came in"]
        )
        assert.deepStrictEqual(yield* members(ada), ["Ada", "Bob"])
      }))

    it.effect("says how many messages it missed", () =>
      Effect.gen(function*() {
        const page = yield* openPage
        // What the server does to a slow reader, without the wait for it.
        yield* Effect.promise(() =>
          page.routeWebSocket("**/chat", (socket) => {
            const server = socket.connectToServer()
            server.onMessage((data) => {
              const message: ServerMessage = JSON.parse(String(data))
              if (message._tag !== "Said" || message.number < 2 || message.number > 3) socket.send(data)
            })
          })
        )
        const { host } = yield* ChatServer
        yield* Effect.promise(() => page.goto(`http://${host}`))
        yield* join(page, "Ada", "slow")
        for (const text of ["one", "two", "three", "four"]) yield* say(page, text)
        yield* see(page, "#chat-log .entry", entry("Ada", "four"))
        yield* see(page, "#chat-log .event", "2 messages were missed: too slow a connection")
      }))

    it.effect("does not come back from what the server refuses, and says why", () =>
      Effect.gen(function*() {
        const page = yield* visit("Ada", "refused")
        const input = page.getByLabel("Message", { exact: true })
        yield* Effect.promise(() => input.evaluate((input) => input.removeAttribute("maxlength")))
        yield* say(page, "x".repeat(2001))
        yield* see(page, "#chat-status", "Not joined")
        yield* see(page, "#join-problem", /Expected a text of 1 to 2000 characters/)
      }))

    it.effect("shows how many connections there are, and how many messages there were in the last second", () =>
      Effect.gen(function*() {
        const at = Effect.provideService(ChatServer, yield* listen(0))
        const page = yield* at(visit("Ada", "graph"))
        yield* see(page, "#connections", "1")
        const bob = yield* at(enter("Bob", "another"))
        yield* see(page, "#connections", "2")
        yield* see(page, "#messages", "0")
        // In another room: what is counted is the server's. Once a second is enough, and leaves the machine to the browser.
        const chatter = yield* Effect.forkScoped(
          Effect.forever(Effect.andThen(bob.say("hello"), bob.hearNext("Pulse")))
        )
        yield* see(page, "#messages", /^[1-9]/)
        const highest = page.locator("#messages-chart .line").evaluate((line) => {
          const heights = [...line.getAttribute("d")!.matchAll(/[ML]\S+ (\S+?)(?=L|$)/g)].map(([, y]) => Number(y))
          return { samples: heights.length, isFlat: heights.every((y) => y === 100) }
        })
        assert.deepStrictEqual(yield* Effect.promise(() => highest), { samples: 60, isFlat: false })
        yield* Fiber.interrupt(chatter)
        yield* see(page, "#messages", "0")
        yield* bob.peer.close(1000)
        yield* see(page, "#connections", "1")
        // Who comes later sees what was before.
        const late = yield* at(visit("Cleo", "graph"))
        const line = late.locator("#messages-chart .line")
        assert.match((yield* Effect.promise(() => line.getAttribute("d")))!, /L\d+ (?!100\.00)/)
      }))

    it.effect("says that it reconnects when the server has gone, and is in the room again when there is a new one", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(yield* Effect.scope)
        const { host } = yield* Scope.provide(listen(0), scope)
        const page = yield* Effect.provideService(visit("Ada", "garden"), ChatServer, { host })
        yield* Effect.promise(() => page.getByLabel("Message", { exact: true }).fill("half a sen"))
        yield* Scope.close(scope, Exit.void)
        yield* see(page, "#chat-status", /^Reconnecting in \d+\.\d s …$/)
        yield* see(page, "#chat-log .event", "The connection was lost.")
        assert.deepStrictEqual(yield* members(page), [])
        yield* listen(Number(host.split(":")[1]))
        yield* see(page, "#chat-status", "Connected")
        assert.deepStrictEqual(yield* members(page), ["Ada"])
        // And what was being written is still there.
        assert.strictEqual(
          yield* Effect.promise(() => page.getByLabel("Message", { exact: true }).inputValue()),
          "half a sen"
        )
      }))

    describe("when nothing comes any more, though nobody has ended the connection", () => {
      const silent = Effect.gen(function*() {
        const { host } = yield* ChatServer
        const relay = yield* Relay.make(Number(host.split(":")[1]))
        const page = yield* openPage
        yield* Effect.promise(() => page.clock.install())
        yield* Effect.promise(() => page.goto(`http://127.0.0.1:${relay.port}`))
        yield* join(page, "Ada", "silence")
        yield* relay.stall("server")
        const now = yield* Effect.promise(() => page.evaluate(() => Date.now()))
        yield* Effect.promise(() => page.clock.pauseAt(now + 12_000))
        yield* see(page, "#chat-status", /^Reconnecting in/)
        yield* see(page, "#chat-log .event", "The connection was lost.")
        return page
      })

      it.effect("reconnects", () =>
        Effect.gen(function*() {
          const page = yield* silent
          yield* Effect.promise(() => page.clock.resume())
          yield* see(page, "#chat-status", "Connected")
          yield* say(page, "back again")
          yield* see(page, "#chat-log .entry", entry("Ada", "back again"))
        }))

      it.effect("can be left", () =>
        Effect.gen(function*() {
          const page = yield* silent
          yield* click(page, "Leave")
          yield* see(page, "#chat-status", "Not joined")
        }))
    })

    it.effect.each(["waits", "dials"] as const)(
      "can be left while it %s to reconnect",
      (what) =>
        Effect.gen(function*() {
          const scope = yield* Scope.fork(yield* Effect.scope)
          const { host } = yield* Scope.provide(listen(0), scope)
          const page = yield* Effect.provideService(visit("Ada", "garden"), ChatServer, { host })
          yield* Scope.close(scope, Exit.void)
          yield* see(page, "#chat-status", /^Reconnecting/)
          if (what === "dials") yield* silentServer(Number(host.split(":")[1]))
          yield* click(page, "Leave")
          yield* see(page, "#chat-status", "Not joined")
          // Nor does it come back when it is loaded anew.
          assert.isNull(yield* Effect.promise(() => page.evaluate(() => sessionStorage.getItem("chat"))))
          assert.isTrue(yield* Effect.promise(() => page.getByLabel("Name", { exact: true }).isVisible()))
        })
    )
  })
})

/** Takes connections and says nothing, until the scope closes. Waits for the first. */
const silentServer = Effect.fnUntraced(function*(port: number) {
  const sockets: Array<Socket> = []
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => createServer((socket) => sockets.push(socket)).listen(port, "127.0.0.1")),
    (server) =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  yield* Effect.promise(() => once(server, "connection"))
})

describe("the chat as a program", { timeout: Examples.timeout }, () => {
  it.live("says where it listens, tells its members 1001 when it is ended, and exits with 0", () =>
    Effect.gen(function*() {
      const { ended, kill, url } = yield* Examples.serve("chat/main")
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
      const { peer } = yield* Effect.provideService(enter("Ada", "lobby"), ChatServer, { host: new URL(url).host })
      yield* kill("SIGINT")
      assert.strictEqual((yield* peer.closed).code, CloseCode.GoingAway)
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))
})
