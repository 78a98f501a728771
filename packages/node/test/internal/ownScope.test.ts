import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { OwnScope } from "../../src/internal/ownScope.ts"

describe("OwnScope", () => {
  /** What finalizers saw, in their order. */
  const life = Effect.fnUntraced(function*(scope: Scope.Closeable) {
    const seen: Array<string> = []
    const note = (name: string) => (exit: Exit.Exit<unknown, unknown>) =>
      Effect.sync(() => void seen.push(`${name} ${exit._tag}`))
    yield* Scope.addFinalizerExit(scope, note("first"))
    yield* Scope.provide(Effect.addFinalizer(note("second")), scope)
    const child = yield* Scope.fork(scope)
    yield* Scope.addFinalizerExit(child, note("of a child"))
    yield* Scope.close(scope, Exit.fail("reason"))
    yield* Scope.addFinalizerExit(scope, note("late"))
    yield* Scope.close(scope, Exit.void)
    return { seen, state: scope.state._tag }
  })

  it.effect("lives as a scope of Effect's own does", () =>
    Effect.gen(function*() {
      const expected = yield* life(yield* Scope.make())
      assert.lengthOf(expected.seen, 4)
      assert.deepStrictEqual(yield* life(new OwnScope()), expected)
    }))

  it("is one that nobody else has", () => {
    const [one, other] = [new OwnScope(), new OwnScope()]
    one.state = { _tag: "Closed", exit: Exit.void }
    assert.strictEqual(other.state._tag, "Empty")
    assert.deepStrictEqual(Object.keys(other), ["state"])
  })

  it("has all that a scope of Effect's own has", () => {
    const scope = new OwnScope()
    for (const [key, value] of Object.entries(Scope.makeUnsafe())) {
      assert.deepStrictEqual(Reflect.get(scope, key), value, key)
    }
  })
})
