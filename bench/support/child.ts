/** A process of its own for a server or a load, asked over IPC: nothing of the measuring runs beside what is measured. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Answer, Commands, Question } from "./commands.ts"
import { type Cpus, onCpus } from "./cpus.ts"
import { withDescriptors } from "./descriptors.ts"
import { Failure } from "./failure.ts"

export interface Child<C extends Commands> {
  readonly ask: <Name extends keyof C & string>(
    command: Name,
    ...argument: Parameters<C[Name]>
  ) => Effect.Effect<Effect.Success<ReturnType<C[Name]>>, Failure>
}

export interface Options {
  readonly cpus: Cpus
  readonly env?: Readonly<Record<string, string>> | undefined
  /** How many sockets it will hold. */
  readonly connections?: number | undefined
}

/** Starts a module that obeys commands, once it is ready. It is killed with the scope. */
export const start = <C extends Commands>(
  module: string,
  { connections, cpus, env }: Options
): Effect.Effect<Child<C>, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const path = fileURLToPath(new URL(`../${module}`, import.meta.url))
    const pinned = onCpus(cpus, [process.execPath, path])
    const [command = "", ...rest] = connections === undefined ? pinned : withDescriptors(connections, pinned)
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(command, rest, {
          // Node 22 warns on standard error that it runs TypeScript.
          env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
          stdio: ["ignore", "inherit", "inherit", "ipc"]
        })
      ),
      end
    )
    return yield* connect<C>(child, module)
  })

const connect = <C extends Commands>(child: ChildProcess, name: string): Effect.Effect<Child<C>, Failure> =>
  Effect.callback((resume) => {
    const waiting = new Map<number, (effect: Effect.Effect<any, Failure>) => void>()
    let asked = 0
    let ended = false
    const ask = (command: string, argument: unknown) =>
      Effect.callback<any, Failure>((resume) => {
        if (ended) return resume(Effect.fail(gone(name)))
        const question: Question = { id: asked++, command, argument }
        waiting.set(question.id, resume)
        child.send(question)
      })
    const lost = () => {
      ended = true
      resume(Effect.fail(gone(name)))
      for (const resume of waiting.values()) resume(Effect.fail(gone(name)))
    }
    child.once("error", lost).once("exit", lost)
    child.on("message", (message: "ready" | Answer) => {
      if (message === "ready") return resume(Effect.succeed({ ask }))
      const answer = "problem" in message
        ? Effect.fail(new Failure({ message: `${name}: ${message.problem}` }))
        : Effect.succeed(message.value)
      waiting.get(message.id)?.(answer)
      waiting.delete(message.id)
    })
  })

const gone = (name: string) => new Failure({ message: `${name} ended while it was needed: see above what it said` })

const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
