/**
 * Memory that sockets are read into. One for all connections: what is read was taken or copied by the time that anybody else is read.
 * Fresh memory for each read costs up to half of an echo of large messages.
 */

/** So many bytes, the same for all who ask for as many. */
export const memoryOf = (size: number): Uint8Array => {
  let memory = memories.get(size)
  if (memory === undefined) memories.set(size, memory = new Uint8Array(size))
  return memory
}

// By its size, of which a process has one or two.
const memories = new Map<number, Uint8Array>()
