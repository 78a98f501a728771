import { endpoint } from "../../support/page/endpoint.mjs"
import { connect } from "./connection.mjs"
import * as Log from "./log.mjs"
import * as Members from "./members.mjs"
import * as Traffic from "./traffic.mjs"

const find = (selector) => document.querySelector(selector)

/** The connection, from joining to leaving. */
let chat
/** Who we are in the room, while we are in it. */
let you
/** The number of the last text that we have. */
let lastSaid = 0

// Joining

/** A tab keeps who it is when it is loaded anew, and another tab is somebody else. */
const remembered = "chat"

const join = (who, { thenWrite }) => {
  sessionStorage.setItem(remembered, JSON.stringify(who))
  find("#room-name").textContent = who.room
  find("#own-name").textContent = who.name
  find("#join-problem").textContent = ""
  Log.clear()
  showStatus("waiting", "Connecting …")
  showJoined(true)
  if (thenWrite) find("#chat-text").focus()
  chat = connect(endpoint("/chat"), {
    onOpen: () => chat.send({ _tag: "Join", ...who }),
    onMessage: (message) => handlers[message._tag](message),
    onLost: (retryIn) => {
      const wasIn = you !== undefined
      out()
      if (wasIn) Log.event("The connection was lost.")
      showStatus("waiting", `Reconnecting in ${(retryIn / 1000).toFixed(1)} s …`)
    },
    onEnd: (code, reason) => {
      out()
      sessionStorage.removeItem(remembered)
      showStatus(code === 1000 ? "closed" : "failed", "Not joined")
      showJoined(false)
      find("#chat-name").focus()
      find("#join-problem").textContent = code === 1000 ? "" : `The server closed the connection: ${reason || code}`
    }
  })
}

const out = () => {
  you = undefined
  Members.set([])
  showCanSay(false)
}

// What the server says

const handlers = {
  Welcome: (welcome) => {
    you = welcome.you
    lastSaid = welcome.lastSaid
    Members.set(welcome.members, you.id)
    Traffic.reset(welcome.history)
    showStatus("open", "Connected")
    showCanSay(true)
  },
  Joined: ({ member }) => {
    Members.add(member)
    Log.event(Log.name(member), member.id === you.id ? " (you) came in" : " came in")
  },
  Left: ({ member }) => {
    Members.remove(member)
    Log.event(Log.name(member), " left")
  },
  Said: (said) => {
    const missed = said.number - lastSaid - 1
    lastSaid = said.number
    if (missed > 0) {
      Log.event(`${missed} ${missed === 1 ? "message was" : "messages were"} missed: too slow a connection`)
    }
    Log.said(said, said.by.id === you.id)
  },
  Pulse: ({ members, sample }) => {
    Members.set(members)
    Traffic.add(sample)
  }
}

// Showing

const showStatus = (state, text) => {
  find("#chat-status").dataset.state = state
  find("#chat-status").textContent = text
}

const showJoined = (isJoined) => {
  find("#join").hidden = isJoined
  find("#joined").hidden = !isJoined
}

const showCanSay = (canSay) => {
  // Not disabled, which would take the focus away from it.
  find("#say button").ariaDisabled = !canSay
}

// Controls

find("#join").addEventListener("submit", (event) => {
  event.preventDefault()
  const data = new FormData(event.target)
  join({ name: data.get("name").trim(), room: data.get("room").trim() }, { thenWrite: true })
})

find("#leave").addEventListener("click", () => chat.close())

find("#say").addEventListener("submit", (event) => {
  event.preventDefault()
  const text = new FormData(event.target).get("text").trim()
  // What was written stays there until it can be sent.
  if (text === "" || you === undefined) return
  chat.send({ _tag: "Say", text })
  event.target.reset()
})

const names = ["Badger", "Curlew", "Dormouse", "Finch", "Hare", "Heron", "Lapwing", "Marten", "Otter", "Puffin", "Wren"]
find("#chat-name").value = names[Math.floor(Math.random() * names.length)]

const before = sessionStorage.getItem(remembered)
if (before !== null) join(JSON.parse(before), { thenWrite: false })
