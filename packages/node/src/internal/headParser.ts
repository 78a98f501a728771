/**
 * Node's own HTTP parser, for a head that is there whole. It is had from a connection of a server that nobody listens at, and
 * tried on a request first: where it is not what we know, it is left alone.
 */
import { createServer, type IncomingHttpHeaders, IncomingMessage } from "node:http"
import { Duplex } from "node:stream"
import { shared } from "./sharedText.ts"

/** An upgrade, as `node:http` would have it. */
export interface Head {
  readonly method: "GET"
  readonly httpVersion: "1.1"
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Names and values by turns, as they came. */
  readonly rawHeaders: Array<string>
  /** Its bytes, which are known behind the rest: what comes behind them is no HTTP. */
  size: number
}

/** Reads one head after the other. One is enough for a process. */
export class HeadParser {
  private readonly parser: Parser
  private upgrade: Head | undefined = undefined
  private isInParts = false

  constructor(Parser: ParserClass) {
    this.parser = new Parser()
    Reflect.set(this.parser, Parser.kOnHeaders, this.onPart)
    Reflect.set(this.parser, Parser.kOnHeadersComplete, this.onHead)
  }

  /** The upgrade that bytes begin with. Whatever else they hold, or do not hold yet, is answered with nothing. */
  parse(bytes: Uint8Array): Head | undefined {
    this.forget()
    // As strict as can be, and with Node's own limit: what Node may allow besides is its own to read.
    this.parser.initialize(request, resource, 0, 0)
    const size = this.parser.execute(bytes)
    const { upgrade } = this
    if (upgrade === undefined || typeof size !== "number") return undefined
    upgrade.size = size
    return upgrade
  }

  private forget(): void {
    this.upgrade = undefined
    this.isInParts = false
  }

  // Of 32 headers and more, which are few upgrades' and so left to Node.
  private readonly onPart = (): void => {
    this.isInParts = true
  }

  private readonly onHead = (
    major: number,
    minor: number,
    lines: Array<string>,
    method: number,
    url: string,
    _status: unknown,
    _message: unknown,
    isUpgrade: boolean
  ): number => {
    if (isUpgrade && method === get && major === 1 && minor === 1 && !this.isInParts) {
      this.upgrade = { method: "GET", httpVersion: "1.1", url, headers: join(lines), rawHeaders: lines, size: 0 }
    }
    return endOfHttp
  }
}

/** The one, if Node has it. */
export const headParser = (): HeadParser | undefined => (found ??= [find()])[0]

let found: readonly [HeadParser | undefined] | undefined

interface Parser {
  readonly initialize: (type: number, resource: object, maxHeaderSize: number, lenientFlags: number) => void
  /** Answers how much it took, or an error. */
  readonly execute: (bytes: Uint8Array) => unknown
}

interface ParserClass {
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  new(): Parser
}

// In the numbering of Node and of llhttp. What Node answers for an upgrade ends it; of anything else nobody is to read on, either.
const request = 1
const get = 1
const endOfHttp = 2

// For those who trace what is asynchronous: nothing is.
const resource = {}

// Which of several lines of one name are joined, and how, and which are dropped, is Node's to say.
const join = (lines: ReadonlyArray<string>): IncomingHttpHeaders => {
  const headers: IncomingHttpHeaders = {}
  for (let i = 0; i < lines.length; i += 2) addLine.call(message, lines[i]!, lines[i + 1]!, headers)
  // By numbers, as an iterator and what it answers are 150 bytes of garbage for each connection.
  for (let i = 0; i < common.length; i++) {
    const name = common[i]!
    const value = headers[name]
    if (value !== undefined) headers[name] = shared(value)
  }
  return headers
}

// What clients of a kind say alike. No key, cookie or password is among it: each would be held beyond its connection, for nobody.
const common = [
  "host",
  "connection",
  "upgrade",
  "sec-websocket-version",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
  "origin",
  "user-agent",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "pragma"
] as const

const addLine: (this: object, name: string, value: string, headers: IncomingHttpHeaders) => void = Reflect.get(
  IncomingMessage.prototype,
  "_addHeaderLine"
)
const message = { joinDuplicateHeaders: false }

const find = (): HeadParser | undefined => {
  try {
    const Parser: ParserClass = Reflect.get(borrow(), "constructor")
    const parser = new HeadParser(Parser)
    return isKnown(parser) ? parser : undefined
  } catch {
    // Of a Node that has no such thing any more.
    return undefined
  }
}

// What Node puts there for as long as the connection lives.
const borrow = (): object => {
  const duplex = new Duplex({ read() {} })
  createServer().emit("connection", duplex)
  const parser: object = Reflect.get(duplex, "parser")
  duplex.destroy()
  return parser
}

const isKnown = (parser: HeadParser): boolean => {
  const text = "GET /? HTTP/1.1\r\nHost: a\r\nconnection: b\r\nConnection: upgrade\r\nUpgrade: c\r\nHost: d\r\n\r\n"
  const headers = { host: "a", connection: "b, upgrade", upgrade: "c" }
  const rawHeaders = ["Host", "a", "connection", "b", "Connection", "upgrade", "Upgrade", "c", "Host", "d"]
  const expected: Head = { method: "GET", httpVersion: "1.1", url: "/?", headers, rawHeaders, size: text.length }
  // Twice, because something may be left of the first.
  const answers = ["\r\n", "x"].map((rest) => parser.parse(Buffer.from(`${text}${rest}`)))
  const others = [text.replace("GET", "POST"), text.replace("GET", "G"), text.replace("Host", "a:\r\n".repeat(50))]
  return answers.every((answer) => JSON.stringify(answer) === JSON.stringify(expected)) &&
    others.every((other) => parser.parse(Buffer.from(other)) === undefined)
}
