import { element } from "../../support/page/element.mjs"

const list = document.querySelector("#members")
const count = document.querySelector("#member-count")

/** Who is in the room, by number. */
let members = new Map()
let ownId
let shown

/** All of them, as the server says. */
export const set = (present, you = ownId) => {
  ownId = you
  members = new Map(present.map((member) => [member.id, member]))
  show()
}

export const add = (member) => {
  members.set(member.id, member)
  show()
}

export const remove = (member) => {
  members.delete(member.id)
  show()
}

const show = () => {
  // Every second brings the same again, and what is selected in the list should stay so.
  const news = JSON.stringify([ownId, ...members.values()])
  if (news === shown) return
  shown = news
  count.textContent = members.size
  list.replaceChildren(...Array.from(members.values(), item))
}

const item = ({ id, name }) => {
  const li = element("li", {}, element("bdi", {}, name))
  if (id === ownId) li.append(element("span", { class: "you" }, " you"))
  return li
}
