/**
 * Upgrades that stay requests (RFC 9110 7.8: "A server MAY ignore a received Upgrade header field"). Who asks for HTTP/2 or for TLS in
 * passing, as Java's HttpClient and curl do, means to be answered either way, and Node does not even parse the body of an upgrade.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EventEmitter } from "node:events"
import type { IncomingMessage } from "node:http"
import { hasOthers } from "./ownListeners.ts"

/**
 * Until the scope closes, for one of ours that listens for the upgrades of this server: leaves what asks for HTTP or TLS to who answers
 * its requests. All stays as it is where nobody does, where somebody else listens for upgrades, too, and before Node 24.9.
 */
export const declineHttp = (server: Server): Effect.Effect<void, never, Scope.Scope> => {
  const { shouldUpgradeCallback } = server
  if (shouldUpgradeCallback === undefined) return Effect.void
  return Effect.acquireRelease(
    Effect.sync(() => {
      const declining = decliners.get(server) ?? new Declining(server, shouldUpgradeCallback)
      declining.listeners++
      return declining
    }),
    (declining) => Effect.sync(() => declining.leave())
  ).pipe(Effect.asVoid)
}

/** Whether an upgrade is to WebSocket. There may be no such header at all: a request has too many of them. */
export const isToWebsocket = ({ headers: { upgrade } }: IncomingMessage): boolean =>
  upgrade === undefined || namesOf(upgrade).includes("websocket")

// Not all of Node's types know it.
interface Server extends EventEmitter {
  shouldUpgradeCallback?: (request: IncomingMessage) => unknown
}

/** Whoever of ours listens at one server. */
class Declining {
  listeners = 0
  private readonly server: Server
  // Node's own, or the application's.
  private readonly before: NonNullable<Server["shouldUpgradeCallback"]>

  constructor(server: Server, before: Declining["before"]) {
    this.server = server
    this.before = before
    decliners.set(server, this)
    server.shouldUpgradeCallback = this.decide
  }

  leave(): void {
    if (--this.listeners > 0) return
    decliners.delete(this.server)
    // The application may have set its own meanwhile.
    if (this.server.shouldUpgradeCallback === this.decide) this.server.shouldUpgradeCallback = this.before
  }

  private readonly decide = (request: IncomingMessage): unknown =>
    this.isDeclined(request) ? false : this.before.call(this.server, request)

  private isDeclined(request: IncomingMessage): boolean {
    const { listeners, server } = this
    return isToHttp(request) && hasOthers(server, "request") && server.listenerCount("upgrade") === listeners
  }
}

const decliners = new WeakMap<object, Declining>()

const isToHttp = ({ headers: { upgrade } }: IncomingMessage): boolean =>
  upgrade !== undefined && namesOf(upgrade).every(isHttp)

// RFC 9110 7.8: a list, of names that may have a version.
const namesOf = (upgrade: string): ReadonlyArray<string> => upgrade.toLowerCase().split(",").map((name) => name.trim())

// HTTP/2 without TLS (RFC 7540 3.2), and RFC 2817: "Upgrade: TLS/1.0, HTTP/1.1".
const isHttp = (name: string): boolean => name === "h2c" || name.startsWith("tls/") || name.startsWith("http/")
