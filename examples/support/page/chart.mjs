import { write } from "./element.mjs"

/**
 * A line of the last values, with some of the time shaded.
 *
 * @param {string} figure the selector of the figure to draw into
 * @param {{ length: number, span: string, leastScale: number, format: (value: number) => string }} options how many values
 *   there are, which time that is, what the chart shows at least, and how a value is written
 */
export const makeChart = (figure, { format, leastScale, length, span }) => {
  const svg = svgElement("svg", {
    viewBox: `0 0 ${length - 1} ${height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true"
  })
  const shades = svgElement("path", { class: "shade" })
  const area = svgElement("path", { class: "area" })
  const line = svgElement("path", { class: "line" })
  svg.append(shades, area, line)
  const scale = document.createElement("div")
  scale.className = "scale"
  const top = document.createElement("span")
  const time = document.createElement("span")
  time.textContent = span
  scale.append(top, time)
  document.querySelector(figure).append(svg, scale)

  const values = new Array(length).fill(0)
  const shaded = new Array(length).fill(false)

  return {
    /**
     * @param {number} value
     * @param {boolean} isShaded
     */
    add: (value, isShaded = false) => {
      values.push(value)
      values.shift()
      shaded.push(isShaded)
      shaded.shift()
      const max = scaleFor(Math.max(...values), leastScale)
      const points = values.map((value, x) => `${x} ${(height * (1 - value / max)).toFixed(2)}`).join("L")
      draw(line, `M${points}`)
      draw(area, `M0 ${height}L${points}L${length - 1} ${height}Z`)
      draw(shades, bands(shaded))
      write(top, `full height ${format(max)}`)
    }
  }
}

const height = 100

// Not what is there already: a page on which nothing moves is not painted anew ten times a second.
const draw = (path, d) => {
  if (path.getAttribute("d") !== d) path.setAttribute("d", d)
}

// Doubled and doubled again, so that the scale changes seldom.
const scaleFor = (max, least) => {
  let scale = least
  while (scale < max) scale *= 2
  return scale
}

const bands = (shaded) => shaded.map((is, x) => (is ? `M${x - 0.5} 0h1v${height}h-1Z` : "")).join("")

const svgElement = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}
