import * as Effect from "effect/Effect"
import { Failure } from "./failure.ts"

/** Bytes of both ends together, in the processes and in the kernel, and to spare. */
const ofAConnection = 40 * 1024

/** Fails where the machine has no memory for so many connections. */
export const checkRoom = (connections: number): Effect.Effect<void, Failure> =>
  Effect.suspend(() => {
    const available = process.availableMemory()
    if (connections * ofAConnection <= available) return Effect.void
    const mebibytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`
    return Effect.fail(
      new Failure({
        message: `${connections} connections take about ${mebibytes(connections * ofAConnection)} with both ends, ` +
          `and ${mebibytes(available)} are free: take fewer with --connections`
      })
    )
  })
