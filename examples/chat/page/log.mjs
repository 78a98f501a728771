import { element } from "../../support/page/element.mjs"

/** More than anybody scrolls through. */
const maxEntries = 300

const log = document.querySelector("#chat-log")

/** A text, and who said it when. What others wrote is put in as text, never as HTML. */
export const said = ({ at, by, text }, isOwn) =>
  add(
    element(
      "div",
      { class: isOwn ? "entry own" : "entry" },
      element("bdi", { class: "by" }, by.name),
      element("time", { datetime: new Date(at).toISOString() }, timeOfDay(at)),
      element("p", { class: "text", dir: "auto" }, text)
    )
  )

/** What happened: parts of a sentence, of which the names are apart. */
export const event = (...parts) => add(element("p", { class: "event" }, ...parts))

/** A name in a sentence, whose direction does not turn the rest of it. */
export const name = (member) => element("bdi", {}, member.name)

export const clear = () => log.replaceChildren()

const add = (entry) => {
  // Who has scrolled back is reading.
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 40
  log.append(entry)
  while (log.children.length > maxEntries) log.firstElementChild.remove()
  if (follows) log.scrollTop = log.scrollHeight
}

const timeOfDay = (at) => new Date(at).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false })
