/** What TypeScript makes of handlers and of who admits, where neither has types of its own. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"

interface User {
  readonly name: string
}

class Users
  extends Context.Service<Users, { readonly find: Effect.Effect<User, WebsocketRequest.Refusal> }>()("Users")
{}

class Room extends Context.Service<Room, { readonly topic: string }>()("Room") {}

type Running<R> = Effect.Effect<never, never, WebsocketServer.WebsocketServer | R>

describe("A server's handler", () => {
  it("may be a generator, and asks for what that asks for, but for what each connection has", () => {
    const handler = WebsocketServer.run(Effect.fn(function*(ws) {
      yield* Effect.addFinalizer(() => Effect.void)
      const { path } = yield* WebsocketRequest.WebsocketRequest
      yield* ws.send(`${(yield* Room).topic} ${path}`)
      return yield* Effect.fail("over")
    }))
    expectTypeOf(handler).toEqualTypeOf<Running<Room>>()
    const layer = WebsocketServer.serve((ws) => ws.runForEach((message) => Effect.andThen(Room, ws.send(message))))
    expectTypeOf(layer).toEqualTypeOf<Layer.Layer<never, never, WebsocketServer.WebsocketServer | Room>>()
  })

  it("knows who was admitted, where that is piped, a generator's, or has a name", () => {
    const find = Effect.flatMap(Users, ({ find }) => find)
    const handlers = [
      WebsocketServer.run((ws, user) => ws.send(user.name), { admit: find }),
      WebsocketServer.run((ws, user) => ws.send(user.name), { admit: Users.use(({ find }) => find) }),
      WebsocketServer.run((ws, user) => ws.send(user.name), { admit: Users.pipe(Effect.flatMap(({ find }) => find)) }),
      WebsocketServer.run((ws, user) => ws.send(user.name), {
        admit: Effect.gen(function*() {
          const { find } = yield* Users
          return yield* find
        })
      }),
      WebsocketServer.run(
        Effect.fn(function*(ws, user) {
          expectTypeOf(user).toEqualTypeOf<User>()
          yield* ws.send(user.name)
        }),
        { admit: find }
      )
    ] as const
    expectTypeOf(handlers).toEqualTypeOf<
      readonly [
        Running<Users>,
        Running<Users>,
        Running<Users>,
        Running<Users>,
        Running<Users>
      ]
    >()
  })

  it("has to say whom it gets, where TypeScript asks it first", () => {
    // @ts-expect-error
    const unknown = WebsocketServer.run((ws, user) => ws.send(user.name), {
      admit: Effect.flatMap(Users, ({ find }) => find)
    })
    const typed = WebsocketServer.run((ws, { name }: User) => ws.send(name), {
      admit: Effect.flatMap(Users, ({ find }) => find),
      answer: ({ name }) => ({ headers: [["X-Name", name]] })
    })
    expectTypeOf(typed).toEqualTypeOf<Running<Users>>()
    assert.isTrue(Effect.isEffect(unknown))
  })

  it("cannot take what nobody admits", () => {
    // @ts-expect-error
    const nobody = WebsocketServer.run((ws, name: string) => ws.send(name))
    assert.isTrue(Effect.isEffect(nobody))
  })
})
