/** The picture: a panel for each workload, a bar for each server, as long as its CPU for a message. */
import type { Measured } from "../sections/workloads.ts"
import type { Entry } from "../support/compare.ts"
import { median } from "../support/statistics.ts"
import { short } from "./numbers.ts"

const columns = 2
const panel = { width: 470, labels: 170, bars: 215, row: 22, head: 28, gap: 24 }
const margin = 16
const top = 44

export const chart = (measured: ReadonlyArray<Measured>): string => {
  const rows = measured[0]?.entries.length ?? 0
  const panelHeight = panel.head + rows * panel.row + panel.gap
  const width = 2 * margin + columns * panel.width
  const height = top + Math.ceil(measured.length / columns) * panelHeight + margin
  const panels = measured.map((one, i) => {
    const x = margin + (i % columns) * panel.width
    const y = top + Math.floor(i / columns) * panelHeight
    return `<g transform="translate(${x} ${y})">\n${drawPanel(one)}\n</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>CPU of the server for a message, by workload</title>`,
    `<style>${style}</style>`,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    `<text class="title" x="${margin}" y="26">CPU of the server for a message: shorter is better</text>`,
    ...panels,
    "</svg>\n"
  ].join("\n")
}

const drawPanel = ({ entries, workload }: Measured): string => {
  const values = entries.map(({ samples }) => median(samples.map(({ cpu }) => cpu)))
  const longest = Math.max(...values)
  const bars = entries.map((entry, i) => drawBar(entry, i, values[i]!, longest))
  return [`<text class="name" y="16">${workload.name}: ${workload.description}</text>`, ...bars].join("\n")
}

const drawBar = ({ contestant: { isOurs, name } }: Entry, i: number, value: number, longest: number): string => {
  const y = panel.head + i * panel.row
  const length = Math.max(1, value / longest * panel.bars)
  const text = y + 12
  return [
    `<text x="${panel.labels - 8}" y="${text}" text-anchor="end">${name.replaceAll("`", "")}</text>`,
    `<rect class="${isOurs ? "ours" : "peer"}" x="${panel.labels}" y="${y}" width="${
      length.toFixed(1)
    }" height="15" rx="2"/>`,
    `<text x="${(panel.labels + length + 6).toFixed(1)}" y="${text}">${short(value)} µs</text>`
  ].join("")
}

const style = [
  "text{font:12px system-ui,sans-serif;fill:#1f2328}",
  ".title{font-size:15px;font-weight:600}.name{font-weight:600}",
  ".ground{fill:#ffffff}.ours{fill:#0969da}.peer{fill:#afb8c1}",
  "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.ours{fill:#4493f8}.peer{fill:#57606a}}"
].join("")
