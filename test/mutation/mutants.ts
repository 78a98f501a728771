/** All the ways to break one stretch of a source: what a slip of the hand or of the mind would do to it. */
import { parseAst } from "vitest/node"

export interface Mutant {
  /** The stretch of the source that is replaced. */
  readonly start: number
  readonly end: number
  readonly to: string
  /** Where it begins, from 1 on. */
  readonly line: number
  /** The lines that it is in, as they are and as they would be, each in one line. */
  readonly before: string
  readonly after: string
}

export const mutantsOf = (source: string): ReadonlyArray<Mutant> => {
  const mutants: Array<Mutant> = []
  const text = ({ end, start }: Node): string => source.slice(start, end)
  const add = ({ end, start }: Node, to: string): void => {
    const first = source.lastIndexOf("\n", start) + 1
    const last = source.indexOf("\n", end)
    const before = oneLine(source.slice(first, last))
    const after = oneLine(source.slice(first, start) + to + source.slice(end, last))
    mutants.push({ start, end, to, line: source.slice(0, start).split("\n").length, before, after })
  }
  const visit = (node: Node): void => {
    for (const to of mutationsOf(node, text)) add(node, to)
    // Of other conditions an operand is mutated, which says more.
    if (isNode(node.test) && /^(?:Identifier|MemberExpression|CallExpression)$/.test(node.test.type)) {
      add(node.test, `!${text(node.test)}`)
    }
    for (const [key, child] of Object.entries(node)) {
      if (!ofTypes.has(key)) [child].flat().filter(isCode).forEach(visit)
    }
  }
  Array.from<unknown>(parseAst(source, { lang: "ts" }).body).filter(isCode).forEach(visit)
  return mutants
}

/** As much of a node of the syntax tree as is needed. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly test?: unknown
  readonly left?: Node
  readonly right?: Node
  readonly operator?: string
  readonly argument?: Node | null
  readonly prefix?: boolean
  readonly value?: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

// Types are not code, but what they are said of is.
const wrappers = new Set(["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression"])
const isCode = (value: unknown): value is Node =>
  isNode(value) && (!value.type.startsWith("TS") || wrappers.has(value.type)) && value.type !== "ImportDeclaration"

const ofTypes = new Set(["typeAnnotation", "typeArguments", "typeParameters", "returnType", "superTypeArguments"])

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

const otherOperators = new Map([
  ["<", ["<=", ">="]],
  ["<=", ["<", ">"]],
  [">", [">=", "<="]],
  [">=", [">", "<"]],
  ["===", ["!=="]],
  ["!==", ["==="]],
  ["+", ["-"]],
  ["-", ["+"]],
  ["*", ["/"]],
  ["/", ["*"]],
  ["%", ["*"]],
  ["&", ["|"]],
  ["|", ["&"]],
  ["^", ["|"]],
  ["<<", [">>>"]],
  [">>", ["<<"]],
  [">>>", ["<<"]],
  ["&&", ["||"]],
  ["||", ["&&"]],
  ["??", ["&&"]],
  ["+=", ["-="]],
  ["-=", ["+="]],
  ["&=", ["|="]],
  ["|=", ["&="]],
  ["^=", ["|="]],
  ["++", ["--"]],
  ["--", ["++"]]
])

/** What a node may become. */
const mutationsOf = (node: Node, text: (node: Node) => string): ReadonlyArray<string> => {
  const { argument, left, operator = "", prefix, right, type, value } = node
  const others = otherOperators.get(operator) ?? []
  if (left !== undefined && right !== undefined && type !== "AssignmentExpression") {
    return others.map((other) => `(${text(left)} ${other} ${text(right)})`)
  }
  switch (type) {
    case "AssignmentExpression":
      return others.map((other) => `${text(left!)} ${other} ${text(right!)}`)
    case "UpdateExpression":
      return others.map((other) => prefix === true ? `${other}${text(argument!)}` : `${text(argument!)}${other}`)
    case "UnaryExpression":
      return operator === "!" || operator === "-" ? [text(argument!)] : []
    case "Literal":
      return typeof value === "number"
        ? [`${value + 1}`, ...(value > 0 ? [`${value - 1}`] : [])]
        : typeof value === "boolean"
        ? [`${!value}`]
        : []
    case "ExpressionStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return [";"]
    case "ReturnStatement":
      return argument === null ? [";"] : []
    default:
      return []
  }
}
