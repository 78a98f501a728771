import { makeChart } from "../../support/page/chart.mjs"
import { element, write } from "../../support/page/element.mjs"
import { endpoint } from "../../support/page/endpoint.mjs"
import { closeCode, count, size } from "./format.mjs"
import * as Frames from "./frames.mjs"
import { openInspector } from "./inspector.mjs"

const find = (selector) => document.querySelector(selector)

/** The control channel, while there is one. */
let inspector
/** The echo connection, from dialling to the end. */
let echo
/** Whether the control channel is asked for, which comes before the echo connection. */
let isConnecting = false
/** The latest report of the server. */
let server = { mode: "Block", paused: false, read: none(), written: none() }
let sent = none()
let received = none()

function none() {
  return { frames: 0, bytes: 0, wouldBlock: 0 }
}

// Connecting

const connect = () => {
  isConnecting = true
  showStatus("waiting", "Connecting …")
  const ready = inspector === undefined ? openInspector({ onReport, onClose }) : Promise.resolve(inspector)
  ready.then(dial, (error) => {
    isConnecting = false
    showStatus("failed", `Not connected: ${error.message}`)
  })
}

const onReport = (report) => {
  const changed = report.paused !== server.paused
  server = report
  Frames.show(report)
  showServer()
  if (changed) showOpen()
}

const onClose = () => {
  inspector = undefined
  showButtons()
}

const dial = (opened) => {
  inspector = opened
  const socket = new WebSocket(endpoint(`/echo?session=${opened.session}`))
  socket.binaryType = "arraybuffer"
  socket.addEventListener("open", showOpen)
  socket.addEventListener("message", ({ data }) => {
    received.frames++
    received.bytes += data.byteLength ?? encoder.encode(data).length
  })
  socket.addEventListener("close", ({ code, reason }) => {
    stopFlood()
    showStatus(code === 1006 ? "failed" : "closed", `Closed: ${closeCode(code)}${reason ? `, “${reason}”` : ""}`)
  })
  echo = socket
  isConnecting = false
  sent = none()
  received = none()
  showButtons()
}

const disconnect = (code, reason) => {
  echo.close(code, reason)
  stopFlood()
  showStatus("waiting", server.paused ? "Closing: the server must read on to see it" : "Closing …")
}

const isClosed = () => echo === undefined || echo.readyState === WebSocket.CLOSED

const isOpen = () => echo?.readyState === WebSocket.OPEN

const send = (data, bytes) => {
  echo.send(data)
  sent.frames++
  sent.bytes += bytes
}

// Flooding

const floodMessage = new Uint8Array(64 * 1024)
const floodInterval = 50
const messagesAtOnce = 8
/** A page that goes on regardless would be ended by the browser. */
const mostBuffered = 64 * 1024 * 1024
let flood

const startFlood = () => {
  flood = setInterval(() => {
    const room = Math.floor((mostBuffered - echo.bufferedAmount) / floodMessage.length)
    for (let left = Math.min(messagesAtOnce, room); left > 0; left--) {
      new DataView(floodMessage.buffer).setUint32(0, sent.frames)
      send(floodMessage, floodMessage.length)
    }
  }, floodInterval)
  find("#flood").classList.add("on")
  find("#flood").textContent = "Stop flood"
}

const stopFlood = () => {
  clearInterval(flood)
  flood = undefined
  find("#flood").classList.remove("on")
  find("#flood").textContent = "Flood"
}

// Showing

const showStatus = (state, text) => {
  find("#status").dataset.state = state
  find("#status").textContent = text
  showButtons()
}

const showOpen = () => {
  if (isOpen()) {
    showStatus(server.paused ? "waiting" : "open", server.paused ? "Connected, reading paused" : "Connected")
  }
}

const showButtons = () => {
  for (const control of document.querySelectorAll("[data-needs=echo]")) control.disabled = !isOpen()
  for (const control of document.querySelectorAll("[data-needs=inspector]")) control.disabled = inspector === undefined
  find("#connect").textContent = isClosed() ? "Connect" : "Disconnect"
  // Not disabled, which would take the focus away from it.
  find("#connect").ariaDisabled = isConnecting || echo?.readyState === WebSocket.CLOSING
}

const modeEffects = {
  Block: "A read or a write that cannot go on waits.",
  NonBlock:
    "A read or a write that cannot go on answers WouldBlock. The server counts it, waits with awaitReadable or " +
    "awaitWritable, and tries again. A read that waits already goes on waiting."
}

const showServer = () => {
  const { mode, paused, read, written } = server
  find(`#mode [value=${mode}]`).checked = true
  find("#mode-effect").textContent = modeEffects[mode]
  find("#pause").classList.toggle("on", paused)
  find("#pause").textContent = paused ? "Resume reading" : "Pause reading"
  find("#read-would-block").textContent = count(read.wouldBlock)
  find("#written-would-block").textContent = count(written.wouldBlock)
  showTally("#read", read, "frame")
  showTally("#written", written, "frame")
}

const showTally = (selector, { bytes, frames }, noun) => {
  const [tally, volume] = [find(selector), size(bytes)]
  const number = `${count(frames)} ${noun}${frames === 1 ? "" : "s"}`
  if (tally.textContent !== `${volume} ${number}`) tally.replaceChildren(volume, " ", element("span", {}, number))
}

/** How often a sample is taken, in milliseconds. */
const interval = 100
const chart = {
  length: 300,
  span: "last 30 s",
  // Without it, noise would fill the chart.
  leastScale: 1024 * 1024,
  format: (bytes) => size(bytes).replace(".0", "")
}
const buffered = makeChart("#buffered-chart", chart)
const rate = makeChart("#rate-chart", chart)
const readBefore = []

const sample = () => {
  // What a closed socket did not send, it never will.
  const waiting = isClosed() ? 0 : echo.bufferedAmount
  buffered.add(waiting, server.paused)
  write(find("#buffered"), size(waiting))
  // Over half a second: reports come as seldom as samples, and not in step with them.
  readBefore.push(server.read.bytes)
  const before = readBefore.length > 500 / interval ? readBefore.shift() : readBefore[0]
  const perSecond = Math.max(0, server.read.bytes - before) * 2
  rate.add(perSecond, server.paused)
  write(find("#rate"), size(perSecond))
  showTally("#sent", sent, "message")
  showTally("#received", received, "message")
}

// Controls

const encoder = new TextEncoder()

const onSubmit = (form, handler) =>
  find(form).addEventListener("submit", (event) => {
    event.preventDefault()
    handler(new FormData(event.target, event.submitter), event)
  })

find("#connect").addEventListener("click", () => {
  if (isConnecting || echo?.readyState === WebSocket.CLOSING) return
  if (isClosed()) connect()
  else disconnect(1000)
})

onSubmit("#send-text", (data) => {
  const text = data.get("text")
  send(text, encoder.encode(text).length)
  find("#text").select()
})

onSubmit("#send-file", (data) => {
  const file = data.get("file")
  send(file, file.size)
})

onSubmit("#close", (data) => {
  const code = Number(data.get("code"))
  const reason = data.get("reason")
  const problem = closeProblem(data.get("by"), code, reason)
  find("#close-problem").textContent = problem
  if (problem !== "") return
  if (data.get("by") === "page") disconnect(code, reason)
  else inspector.tell({ _tag: "Close", code, reason })
})

/** Why this close cannot be, or nothing. */
const closeProblem = (by, code, reason) => {
  const isRegistered = code <= 1014 && ![1004, 1005, 1006].includes(code)
  if (by === "page" && code !== 1000 && code < 3000) return "A page may close with 1000, or with 3000 to 4999."
  if (code < 3000 && !isRegistered) return `${code} must not be sent in a Close frame.`
  if (encoder.encode(reason).length > 123) return "The reason has room for 123 bytes."
  return ""
}

find("#mode").addEventListener("change", ({ target }) => inspector.tell({ _tag: "SetMode", mode: target.value }))
find("#pause").addEventListener("click", () => inspector.tell({ _tag: server.paused ? "Resume" : "Pause" }))
find("#ping").addEventListener("click", () => inspector.tell({ _tag: "Ping" }))
find("#flood").addEventListener("click", () => (flood === undefined ? startFlood() : stopFlood()))
find("#clear").addEventListener("click", Frames.clear)

showServer()
sample()
setInterval(sample, interval)
connect()
