import { makeChart } from "../../support/page/chart.mjs"
import { write } from "../../support/page/element.mjs"

const seconds = 60
const options = { length: seconds, span: "last 60 s", leastScale: 4, format: (value) => value.toLocaleString("en") }
const connections = makeChart("#connections-chart", options)
const messages = makeChart("#messages-chart", options)

/** The next second. */
export const add = (sample) => {
  connections.add(sample.connections)
  messages.add(sample.messages)
  write(document.querySelector("#connections"), options.format(sample.connections))
  write(document.querySelector("#messages"), options.format(sample.messages))
}

/** The last minute, oldest first, or as much of it as there was. */
export const reset = (history) => {
  const before = Array.from({ length: seconds - history.length }, () => ({ connections: 0, messages: 0 }))
  for (const sample of [...before, ...history]) add(sample)
}
