/**
 * Memory of payloads lies outside of the heap, and what it costs is to find out that it is garbage, and to have it anew. Both are
 * made cheap here: together more than half of what a server took to echo 64 KiB or 1 MiB.
 */
import { getHeapSpaceStatistics } from "node:v8"

/** To be told of payloads that are about to have memory of their own. */
export const beforePayload = (length: number): void => {
  if (length >= largeFrom && !isKept) keepFreed()
  // What V8 finds is freed by another thread, later than this payload is there: a huge one would be counted together with the one
  // before it, and the heap marked. So V8 looks before what comes next: a quarter of what a server takes to echo 16 MiB.
  if (left < (length < hugeFrom ? length : 0)) collectYoung()
  left -= length
}

// Bytes.
const largeFrom = 32 * 1024
const hugeFrom = 8 * 1024 * 1024

// For each 10 to 40 MiB of it V8 marks the whole heap, 20 MiB with nothing but Effect in it. To look at the young objects alone
// takes 0.3 ms, and nearly all payloads are garbage by the next time: but V8 does so only when their room is full, where a payload
// takes no more than its array. So the room is filled. It may be large, and then it is filled the less often.
//
// The arrays go nowhere: what an object gets while V8 marks is marked, too, and moved with all that lives, for up to 30 ms.
const collectYoung = (): void => {
  const room = getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_available_size ?? 0
  let filled = 0
  while (filled <= room) filled += new Array(slots).length * bytesPerSlot
  left = Math.max(leastBytes, room)
}

// Bytes: at 8 MiB the heap is marked before that.
const leastBytes = 4 * 1024 * 1024

// Of the largest objects that V8 gives no page of their own, only one fits a page: half of it need not be written.
const slots = 16_380
const bytesPerSlot = (256 * 1024) / slots

let left = leastBytes

// The system takes memory back from glibc as soon as twice the largest block that was ever freed is free, and gives it
// page by page again: up to half of what it took to echo 1 MiB. This block, the largest that counts, is never written to, and so
// takes none; from then on 64 MiB may be free.
const keepFreed = (): void => {
  isKept = true
  new ArrayBuffer(32 * 1024 * 1024 - 8192).transfer(0)
}

let isKept = false
