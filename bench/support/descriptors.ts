/** Each end of a connection takes a descriptor of its process, and the system says how many a process may have. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { Failure } from "./failure.ts"

/** What Node itself has open, and to spare. */
const others = 256

/** The command, allowed to hold so many connections. Node takes what it is allowed by itself. */
export const withDescriptors = (connections: number, command: ReadonlyArray<string>): ReadonlyArray<string> => {
  const needed = connections + others
  const raise = `limit=$(ulimit -Hn); [ "$limit" = unlimited ] || [ "$limit" -ge ${needed} ] || ulimit -n ${needed}`
  return ["sh", "-c", `{ ${raise}; } && exec "$@"`, "sh", ...command]
}

/** So many connections, or as many as a process may hold. */
export const atMost = (connections: number): number => isAllowed(connections) ? connections : hardLimit() - others

/** Fails where a process may not hold so many connections. */
export const check = (connections: number): Effect.Effect<void, Failure> =>
  Effect.suspend(() => {
    if (isAllowed(connections)) return Effect.void
    return Effect.fail(
      new Failure({
        message: `a process may have ${hardLimit()} descriptors here, and ${connections} connections need ` +
          `${
            connections + others
          }: raise "nofile" in /etc/security/limits.conf or LimitNOFILE= of the service, and the ` +
          `sysctl fs.nr_open where that is smaller, or run it with CAP_SYS_RESOURCE, or take fewer with --connections`
      })
    )
  })

const isAllowed = (connections: number): boolean => {
  const [command = "", ...args] = withDescriptors(connections, ["true"])
  return spawnSync(command, args).status === 0
}

const hardLimit = (): number => Number(spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).stdout)
