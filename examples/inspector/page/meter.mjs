/**
 * A line of the last seconds, with the time in which the server's reading was paused shaded. All values are bytes.
 */
import { size } from "./format.mjs"

/** How often a sample is taken, in milliseconds. */
export const interval = 100

const seconds = 30
const length = (seconds * 1000) / interval
const height = 100
/** What a chart shows at least: without it, noise would fill it. */
const leastScale = 1024 * 1024

/** @param {string} figure the selector of the figure to draw into */
export const makeChart = (figure) => {
  const node = document.querySelector(figure)
  const svg = svgElement("svg", {
    viewBox: `0 0 ${length - 1} ${height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true"
  })
  const pauses = svgElement("path", { class: "pauses" })
  const area = svgElement("path", { class: "area" })
  const line = svgElement("path", { class: "line" })
  svg.append(pauses, area, line)
  const scale = document.createElement("div")
  scale.className = "scale"
  const top = document.createElement("span")
  const span = document.createElement("span")
  span.textContent = `last ${seconds} s`
  scale.append(top, span)
  node.append(svg, scale)

  const values = new Array(length).fill(0)
  const paused = new Array(length).fill(false)

  return {
    /**
     * @param {number} value
     * @param {boolean} isPaused
     */
    add: (value, isPaused) => {
      values.push(value)
      values.shift()
      paused.push(isPaused)
      paused.shift()
      const max = scaleFor(Math.max(...values))
      const points = values.map((value, x) => `${x} ${(height * (1 - value / max)).toFixed(2)}`).join("L")
      line.setAttribute("d", `M${points}`)
      area.setAttribute("d", `M0 ${height}L${points}L${length - 1} ${height}Z`)
      pauses.setAttribute("d", bands(paused))
      top.textContent = `full height ${size(max).replace(".0", "")}`
    }
  }
}

// The next power of two, so that the scale changes seldom.
const scaleFor = (max) => {
  let scale = leastScale
  while (scale < max) scale *= 2
  return scale
}

const bands = (paused) => paused.map((is, x) => (is ? `M${x - 0.5} 0h1v${height}h-1Z` : "")).join("")

const svgElement = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}
