/** A process with payloads and nothing else. It says what they cost it, as JSON. */
import { constants, PerformanceObserver } from "node:perf_hooks"
import { allocate } from "../../src/internal/allocate.ts"

export interface Seen {
  /** For each size, how often only the young objects were looked at while 512 MiB of payloads became garbage. */
  readonly young: ReadonlyArray<readonly [size: number, collections: number]>
  /** Pages that the system gave for a MiB whose memory had been given back. */
  readonly pages: number
}

const mebibyte = 1024 * 1024

const youngOf = async (size: number): Promise<number> => {
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind: unknown = Reflect.get(Object(Reflect.get(entry, "detail")), "kind")
      if (kind === constants.NODE_PERFORMANCE_GC_MINOR) collections++
    }
  })
  observer.observe({ entryTypes: ["gc"] })
  for (let at = 0; at < 512 * mebibyte; at += size) allocate(size)
  await new Promise((resolve) => setTimeout(resolve, 50))
  observer.disconnect()
  return collections
}

const pages = (rounds: number): number => {
  const before = process.resourceUsage().minorPageFault
  for (let i = 0; i < rounds; i++) {
    const payloads = Array.from({ length: 24 }, () => allocate(mebibyte).fill(1))
    for (const { buffer } of payloads) if (buffer instanceof ArrayBuffer) buffer.transfer(0)
  }
  return (process.resourceUsage().minorPageFault - before) / (24 * rounds)
}

// The memory that is given back and taken again.
pages(1)
const seen: Seen = {
  pages: pages(10),
  young: [
    [65_536, await youngOf(65_536)],
    [mebibyte, await youngOf(mebibyte)],
    [16 * mebibyte, await youngOf(16 * mebibyte)]
  ]
}
process.stdout.write(JSON.stringify(seen))
