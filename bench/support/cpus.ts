/** Who runs where: the server has the first core for itself, the load all others, so that neither takes the other's time. */
import { spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"

export type Cpus = "server" | "load"

/** Whether processes can be kept apart. Otherwise CPU per message is still right, and rates and latencies mean less. */
export const arePinned: boolean = availableParallelism() > 1 &&
  spawnSync("taskset", ["-c", "0", "true"]).status === 0

/** The command, pinned where the system can. */
export const onCpus = (cpus: Cpus, command: ReadonlyArray<string>): ReadonlyArray<string> =>
  arePinned ? ["taskset", "-c", cpus === "server" ? "0" : `1-${availableParallelism() - 1}`, ...command] : command
