/**
 * Upgrades that stay requests (RFC 9110 7.8: "A server MAY ignore a received Upgrade header field"). Who asks for HTTP/2 or for TLS in
 * passing, as Java's HttpClient and curl do, means to be answered either way, and Node does not even parse the body of an upgrade.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EventEmitter } from "node:events"
import { createServer, type IncomingMessage } from "node:http"

/** Whether one who listens for upgrades has no use for this one, and somebody else may answer it as a request. */
export type Rule = (request: IncomingMessage) => boolean

/**
 * Until the scope closes, for one who listens for the upgrades of this server: it emits none that all who listen decline. It does
 * where somebody listens who has not said what to decline, where the application has said itself what to upgrade, and before Node 24.9.
 */
export const decline = (server: Server, rule: Rule): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const declining = decliners.get(server) ?? Declining.begin(server)
      declining?.add(rule)
      return declining
    }),
    (declining) => Effect.sync(() => declining?.remove(rule))
  ).pipe(Effect.asVoid)

/** Whether an upgrade is to WebSocket. There may be no such header at all: a request has too many of them. */
export const isToWebsocket: Rule = ({ headers: { upgrade } }) =>
  upgrade === undefined || namesOf(upgrade).includes("websocket")

/** Whether it is to what clients of HTTP ask for in passing, and no application answers by hand. */
export const isToHttp: Rule = ({ headers: { upgrade } }) => upgrade !== undefined && namesOf(upgrade).every(isHttp)

// RFC 9110 7.8: a list, of names that may have a version.
const namesOf = (upgrade: string): ReadonlyArray<string> => upgrade.toLowerCase().split(",").map((name) => name.trim())

// HTTP/2 without TLS (RFC 7540 3.2), and RFC 2817: "Upgrade: TLS/1.0, HTTP/1.1".
const isHttp = (name: string): boolean => name === "h2c" || name.startsWith("tls/") || name.startsWith("http/")

// Not all of Node's types know it.
interface Server extends EventEmitter {
  shouldUpgradeCallback?: (request: IncomingMessage) => unknown
}

/** What is declined at one server. */
class Declining {
  private readonly server: Server
  private readonly before: NonNullable<Server["shouldUpgradeCallback"]>
  // One for each who listens: two may have the same.
  private readonly rules: Array<Rule> = []

  static begin(server: Server): Declining | undefined {
    const { shouldUpgradeCallback } = server
    return shouldUpgradeCallback === undefined || String(shouldUpgradeCallback) !== nodes()
      ? undefined
      : new Declining(server, shouldUpgradeCallback)
  }

  private constructor(server: Server, before: Declining["before"]) {
    this.server = server
    this.before = before
    decliners.set(server, this)
    server.shouldUpgradeCallback = this.decide
  }

  add(rule: Rule): void {
    this.rules.push(rule)
  }

  remove(rule: Rule): void {
    this.rules.splice(this.rules.indexOf(rule), 1)
    if (this.rules.length > 0) return
    decliners.delete(this.server)
    if (this.server.shouldUpgradeCallback === this.decide) this.server.shouldUpgradeCallback = this.before
  }

  private readonly decide = (request: IncomingMessage): unknown =>
    this.isDeclined(request) ? false : this.before.call(this.server, request)

  private isDeclined(request: IncomingMessage): boolean {
    const { rules, server } = this
    return server.listenerCount("upgrade") === rules.length && rules.every((rule) => rule(request))
  }
}

const decliners = new WeakMap<object, Declining>()

// Each server has its own, of the same source: it has no other mark.
const nodes = (): string => {
  const { shouldUpgradeCallback }: Server = createServer()
  return String(shouldUpgradeCallback)
}
