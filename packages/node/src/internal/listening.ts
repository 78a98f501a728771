/** An HTTP server of our own, that lives as long as the scope, and where it listens. */
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import { Socket } from "node:net"
import { ListenError } from "../WebsocketError.ts"
import type { Address, ListenOptions } from "../WebsocketServer.ts"
import { cannotListen } from "./invalidOption.ts"
import { ioReason } from "./io.ts"
import type { Settings } from "./serverOptions.ts"
import { timerMillis } from "./timerMillis.ts"
import { checkUnixPath } from "./unixPath.ts"

/** One that does not listen yet. The scope's end closes it, and whatever is connected and not upgraded. */
export const makeServer = (
  options: ListenOptions,
  settings: Settings
): Effect.Effect<Http.Server, ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const wrong = checkListenOptions(options)
    if (wrong !== undefined) return yield* cannotListen(wrong)
    const server = yield* create(options, settings)
    const sockets = unopened(server)
    yield* Effect.addFinalizer(() => end(server, sockets))
    return server
  })

/** Begins to listen. Who serves listens for its events by then: a client may come before the fiber goes on. */
export const listen = (server: Http.Server, options: ListenOptions): Effect.Effect<Address, ListenError> =>
  // Node listens, when it has found the address, though the server was closed meanwhile.
  Effect.flatMap(Effect.uninterruptible(begin(server, options)), () => {
    const address = addressOf(server)
    // What listens has one.
    return address === undefined ? Effect.die(new Error("the server has no address")) : Effect.succeed(address)
  })

/** Where a server listens, if it does. */
export const addressOf = (server: Http.Server): Address | undefined => {
  const bound = server.address()
  if (bound === null) return undefined
  return typeof bound === "string"
    ? { _tag: "Unix", path: bound }
    : { _tag: "Tcp", host: bound.address, port: bound.port }
}

const create = (
  { tls }: ListenOptions,
  { handshakeDeadline, maxConnections }: Settings
): Effect.Effect<Http.Server, ListenError> => {
  // Node would listen, and then fail each client.
  if (tls !== undefined && !hasIdentity(tls)) {
    const value = isGiven(tls.cert) ? "without a key" : "without a certificate"
    return cannotListen(new OptionError({ option: "tls", value, expected: "given cert and key, or pfx" }))
  }
  const deadline = timerMillis(handshakeDeadline)
  const options = {
    // Node answers 408 to whoever takes longer to send its request, and cuts who sends none.
    headersTimeout: deadline,
    requestTimeout: deadline,
    connectionsCheckingInterval: Math.ceil(Math.min(deadline, 30_000) / 4),
    // Of TLS.
    handshakeTimeout: deadline
  }
  return Effect.try({
    try: () => {
      const server = tls === undefined ? Http.createServer(options) : Https.createServer({ ...options, ...tls })
      // Room for those who are told by a 503 that there is none. Beyond it Node hangs up on accepting.
      server.maxConnections = maxConnections + spareConnections
      return server
    },
    // The value holds a private key: it is not for error messages.
    catch: (error) =>
      cannotListen(
        new OptionError({ option: "tls", value: "not usable", expected: `what node:https takes: ${String(error)}` })
      )
  })
}

const hasIdentity = (tls: Https.ServerOptions): boolean =>
  (isGiven(tls.cert) && (isGiven(tls.key) || tls.privateKeyIdentifier !== undefined)) || isGiven(tls.pfx) ||
  tls.SNICallback !== undefined || tls.pskCallback !== undefined

// What is empty, as a variable of the environment may be, is nothing.
const isGiven = (value: { readonly length: number } | undefined): boolean => (value?.length ?? 0) > 0

const spareConnections = 1024

const begin = (server: Http.Server, options: ListenOptions): Effect.Effect<void, ListenError> =>
  Effect.callback((resume) => {
    const onError = (error: NodeJS.ErrnoException) => resume(Effect.fail(listenError(error, options)))
    server.once("error", onError)
    const onListening = () => {
      server.off("error", onError)
      resume(Effect.void)
    }
    if (options.path === undefined) server.listen({ port: options.port, host: options.host }, onListening)
    else server.listen({ path: options.path }, onListening)
  })

const end = (server: Http.Server, sockets: ReadonlySet<Socket>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
    for (const socket of sockets) socket.destroy()
  })

// Those that are connected and not upgraded: in the middle of TLS or of a request. Node itself does not know the former.
const unopened = (server: Http.Server): ReadonlySet<Socket> => {
  const sockets = new Set<Socket>()
  const forget = function(this: Socket) {
    sockets.delete(this)
  }
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", forget)
  })
  server.on("upgrade", (request: Http.IncomingMessage) => {
    const socket = connectionOf(request)
    sockets.delete(socket)
    socket.off("close", forget)
  })
  return sockets
}

// By TLS it is another than the one that was connected: that is beneath it, where only Node knows.
const connectionOf = ({ socket }: Http.IncomingMessage): Socket => {
  const beneath: unknown = Reflect.get(socket, "_parent")
  return beneath instanceof Socket ? beneath : socket
}

const checkListenOptions = ({ host, path, port }: ListenOptions): OptionError | undefined => {
  // Node would listen at the port alone.
  if (path !== undefined && port !== undefined) {
    const expected = "absent where a path is given: a server listens at one of them"
    return new OptionError({ option: "port", value: port, expected })
  }
  if (path !== undefined) return checkUnixPath("path", path)
  if (port === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) {
    return new OptionError({
      option: "port",
      value: port,
      expected: "a whole number from 0 to 65535, or path be given"
    })
  }
  // Node throws for a NUL, and for an empty one it listens everywhere.
  return host === "" || host?.includes("\0") === true
    ? new OptionError({ option: "host", value: JSON.stringify(host), expected: "a name or an address" })
    : undefined
}

// What stands in the way of listening is an option's fault as a rule, and names it.
const listenError = (error: NodeJS.ErrnoException, options: ListenOptions): ListenError => {
  const wrong = (option: "host" | "path" | "port", expected = `what one can listen on: ${error.message}`) =>
    cannotListen(new OptionError({ option, value: options[option], expected }))
  const isUnix = options.path !== undefined
  switch (error.code) {
    case "EADDRINUSE":
      return isUnix
        ? wrong("path", free("remove what somebody left there", error))
        : wrong("port", free("stop what listens there", error))
    case "EACCES":
    case "ENOENT":
    case "ENOTDIR":
      return wrong(isUnix ? "path" : "port")
    case "EINVAL":
      // The port is a number that may be one.
      return wrong(isUnix ? "path" : "host")
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return wrong("host")
    default:
      return new ListenError({ reason: ioReason(error) })
  }
}

const free = (cure: string, { message }: Error): string => `free: ${cure}, or choose another (${message})`
