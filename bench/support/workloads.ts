/** W1 to W6: echoes of messages from small to large, and a broadcast. */
import type { Workload } from "./compare.ts"

const KiB = 1024
export const MiB = 1024 * KiB

export const echo = (
  name: string,
  { connections, depth, size }: Pick<Workload, "connections" | "size" | "depth">
): Workload => ({ name, task: "echo", connections, size, depth })

export const broadcast = (name: string, receivers: number): Workload => ({
  name,
  task: "broadcast",
  connections: receivers + 1,
  size: KiB,
  depth: 1
})

export interface Described extends Workload {
  readonly description: string
}

export const workloads: ReadonlyArray<Described> = [
  {
    ...echo("W1", { connections: 64, size: 125, depth: 1 }),
    description: "64 connections, 125 B, one in flight"
  },
  {
    ...echo("W2", { connections: 64, size: 125, depth: 64 }),
    description: "64 connections, 125 B, 64 in flight"
  },
  {
    ...echo("W3", { connections: 8, size: 64 * KiB, depth: 4 }),
    description: "8 connections, 64 KiB, 4 in flight"
  },
  { ...echo("W4", { connections: 1, size: MiB, depth: 1 }), description: "1 connection, 1 MiB, one in flight" },
  { ...echo("W5", { connections: 1000, size: 512, depth: 1 }), description: "1,000 connections, 512 B, one in flight" },
  { ...broadcast("W6", 1000), description: "a broadcast from one to 1,000, 1 KiB" }
]
