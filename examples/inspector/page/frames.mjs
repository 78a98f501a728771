import { element } from "../../support/page/element.mjs"
import { count, payload, time } from "./format.mjs"

/** More than anybody scrolls through, and few enough to lay out ten times a second. */
const maxRows = 300

const body = document.querySelector("#frames")

/**
 * Puts frames on top of the list, and below them how many there were that the server had no room to report.
 *
 * @param {{ frames: Array<object>, dropped: number }} report oldest first
 */
export const show = ({ dropped, frames }) => {
  const rows = document.createDocumentFragment()
  for (const frame of frames.toReversed()) rows.append(row(frame))
  if (dropped > 0) rows.append(gap(dropped))
  body.prepend(rows)
  while (body.rows.length > maxRows) body.deleteRow(-1)
}

export const clear = () => body.replaceChildren()

const row = (frame) => {
  const [hours, rest] = time(frame.at)
  const tr = document.createElement("tr")
  tr.append(
    cell(element("span", { class: "mark", "data-direction": frame.direction, "aria-hidden": "true" }, arrow(frame)), {
      after: element("span", { class: "unseen" }, frame.direction === "read" ? "to the server" : "from the server")
    }),
    cell(spacious(hours), { after: rest }),
    frame.opcode === "Continuation" ? cell("Cont", { after: spacious("inuation") }) : cell(frame.opcode),
    cell(frame.fin ? "1" : "0"),
    cell(count(frame.size), { class: "number" }),
    cell(payload(frame))
  )
  return tr
}

const arrow = ({ direction }) => (direction === "read" ? "→" : "←")

/** Left out where there is little room. */
const spacious = (text) => element("span", { class: "spacious" }, text)

const gap = (dropped) => {
  const tr = document.createElement("tr")
  tr.append(cell(`${count(dropped)} more frames, too fast to list`, { class: "gap", colspan: "6" }))
  return tr
}

const cell = (content, { after = "", ...attributes } = {}) => {
  const td = element("td", attributes, content)
  td.append(after)
  return td
}
