/** A `WebSocket` as web pages have it: Node's own, and that of a page in a browser. Clients only. */
import * as Effect from "effect/Effect"
import type { Page } from "playwright-core"
import { type Closing, fromWire, type Peer, toWire, type Wire } from "./peer.ts"
import type { Address } from "./transports.ts"

/** Node's global. */
export const connectNode = ({ url }: Address) =>
  Effect.acquireRelease(
    Effect.promise(() => open(url)),
    (socket) => Effect.sync(() => socket.close())
  ).pipe(
    Effect.map((socket): Peer => ({
      send: (...messages) => Effect.sync(() => socket.send(messages.map(toWire))),
      receive: Effect.map(Effect.promise(() => socket.receive(1)), ([wire]) => fromWire(wire!)),
      receiveMany: (count) => Effect.map(Effect.promise(() => socket.receive(count)), (wires) => wires.map(fromWire)),
      close: (code, reason) => Effect.sync(() => socket.close(code, reason)),
      closed: Effect.promise(() => socket.closed)
    }))
  )

/** A page's. */
export const connectPage = Effect.fnUntraced(function*(page: Page, { url }: Address) {
  const socket = yield* Effect.acquireRelease(
    Effect.promise(() => page.evaluateHandle(open, url)),
    (socket) => Effect.promise(() => socket.evaluate((socket) => socket.close()))
  )
  const receiveMany = (count: number) =>
    Effect.promise(() => socket.evaluate((socket, count) => socket.receive(count), count)).pipe(
      Effect.map((wires) => wires.map(fromWire))
    )
  const peer: Peer = {
    send: (...messages) =>
      Effect.promise(() => socket.evaluate((socket, wires) => socket.send(wires), messages.map(toWire))),
    receive: Effect.map(receiveMany(1), ([message]) => message!),
    receiveMany,
    close: (code, reason) =>
      Effect.promise(() => socket.evaluate((socket, close) => socket.close(...close), [code, reason] as const)),
    closed: Effect.promise(() => socket.evaluate((socket) => socket.closed))
  }
  return peer
})

interface Open {
  readonly send: (messages: ReadonlyArray<Wire>) => void
  readonly receive: (count: number) => Promise<Array<Wire>>
  readonly close: (code?: number, reason?: string) => void
  readonly closed: Promise<Closing>
}

// Runs in Node and in pages, which get its text: it uses nothing from outside.
const open = (url: string): Promise<Open> => {
  const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  const toBase64 = (buffer: ArrayBuffer) => {
    let characters = ""
    for (const byte of new Uint8Array(buffer)) characters += String.fromCharCode(byte)
    return btoa(characters)
  }
  const socket = new WebSocket(url)
  socket.binaryType = "arraybuffer"
  const messages: Array<Wire> = []
  const arrivals = new EventTarget()
  socket.addEventListener("message", ({ data }) => {
    messages.push(typeof data === "string" ? { text: data } : { base64: toBase64(data) })
    arrivals.dispatchEvent(new Event("message"))
  })
  const opened: Open = {
    send: (messages) => {
      for (const message of messages) socket.send("text" in message ? message.text : fromBase64(message.base64))
    },
    receive: async (count) => {
      while (messages.length < count) {
        await new Promise((resolve) => arrivals.addEventListener("message", resolve, { once: true }))
      }
      return messages.splice(0, count)
    },
    close: (code, reason) => socket.close(code, reason),
    closed: new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }))
    })
  }
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve(opened))
    socket.addEventListener("close", ({ code }) => reject(new Error(`${url} was not opened: ${code}`)))
  })
}
