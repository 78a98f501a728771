/** The process of a server: it serves as the module that it is told, and tells what it used. */
import * as Effect from "effect/Effect"
import { collected } from "../support/collected.ts"
import { obey } from "../support/commands.ts"
import type { Listen, Task } from "./task.ts"

const modules = {
  each: () => import("./each.ts"),
  effect: () => import("./effect.ts"),
  effectRpc: () => import("./effectRpc.ts"),
  frames: () => import("./frames.ts"),
  messages: () => import("./messages.ts"),
  net: () => import("./net.ts"),
  oursRpc: () => import("./oursRpc.ts"),
  uws: () => import("./uws.ts"),
  ws: () => import("./ws.ts")
} satisfies Record<string, () => Promise<{ readonly listen: Listen }>>

export type Module = keyof typeof modules

export interface ListenOptions {
  readonly module: Module
  readonly task: Task
}

export interface Memory {
  /** Bytes of the whole process. */
  readonly resident: number
  /** Bytes of JavaScript objects among these. */
  readonly heap: number
}

const commands = {
  /** Answers the port. */
  listen: ({ module, task }: ListenOptions) =>
    Effect.flatMap(Effect.promise(modules[module]), ({ listen }) => listen(task)),

  /** Microseconds of CPU that the process has taken so far, those of its collector threads and in the kernel included. */
  cpu: () =>
    Effect.sync(() => {
      const { system, user } = process.cpuUsage()
      return system + user
    }),

  /** What is left after a full collection. */
  memory: () => Effect.map(collected, ({ heapUsed, rss }): Memory => ({ resident: rss, heap: heapUsed }))
}

export type ServerCommands = typeof commands

obey(commands)
