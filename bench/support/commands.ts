/** The child's side of what `child.ts` asks: named commands, each answered by an effect. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

export type Commands = { readonly [Name in string]: (argument: any) => Effect.Effect<unknown, Error, Scope.Scope> }

export interface Question {
  readonly id: number
  readonly command: string
  readonly argument: unknown
}

export type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly problem: string })

/** Answers commands until the parent is gone. What they acquire is kept until then. */
export const obey = (commands: Commands): void => {
  // Whoever asked is gone, and nobody else needs us: the system closes what is open.
  process.once("disconnect", () => process.exit())
  Effect.runFork(Effect.scoped(Effect.gen(function*() {
    const fork = yield* FiberSet.makeRuntime<Scope.Scope>()
    process.on("message", (question: Question) => fork(answer(commands, question)))
    process.send?.("ready")
    return yield* Effect.never
  })))
}

const answer = (commands: Commands, { argument, command, id }: Question) =>
  Effect.suspend(() => commands[command]!(argument)).pipe(
    Effect.exit,
    Effect.map((exit) => {
      const answer: Answer = Exit.isSuccess(exit)
        ? { id, value: exit.value }
        : { id, problem: Cause.prettyErrors(exit.cause).map(({ message }) => message).join("; ") }
      process.send?.(answer)
    })
  )
