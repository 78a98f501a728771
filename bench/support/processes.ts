/** Who gets which process. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Child from "./child.ts"
import type { Commands } from "./commands.ts"
import type { Failure } from "./failure.ts"

type Start = (module: string, options: Child.Options) => Effect.Effect<Child.Child<any>, Failure, Scope.Scope>

/** Everybody has one of his own, or a figure would depend on what its process did before. */
const Starting = Context.Reference<Start>("bench/Starting", { defaultValue: () => Child.start })

/** A process that obeys commands. It is killed with the scope, unless it is shared. */
export const start = <C extends Commands>(
  module: string,
  options: Child.Options
): Effect.Effect<Child.Child<C>, Failure, Scope.Scope> => Effect.flatMap(Starting, (start) => start(module, options))

/**
 * Who asks for the same has the same process: most of the CPU of a check is what it takes to start one.
 *
 * @param connections as many as all who share one have in it
 */
export const sharing = (connections: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const processes = yield* RcMap.make({
      lookup: ({ module, options }: { readonly module: string; readonly options: Child.Options }) =>
        Child.start(module, options),
      idleTimeToLive: Duration.infinity
    })
    return yield* Effect.provideService(
      effect,
      Starting,
      (module, options) => RcMap.get(processes, { module, options: { ...options, connections } })
    )
  }).pipe(Effect.scoped)
