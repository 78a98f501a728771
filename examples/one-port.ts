/**
 * HTTP and WebSockets on one port, by the routes and the middleware of Effect's own router: a JSON route and an echo for
 * those who know the token, and metrics for Prometheus.
 *
 *     TOKEN=secret node examples/one-port.ts [--port 8080]
 *     curl -H 'Authorization: Bearer secret' http://127.0.0.1:8080/whoami
 *     curl http://127.0.0.1:8080/metrics
 */
import { WebsocketHttpServer } from "@websocket-stream/node"
import * as Command from "effect/cli/Command"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { createServer } from "node:http"
import { echo } from "./support/echo.ts"
import { port } from "./support/flags.ts"
import { runMain } from "./support/runMain.ts"

/** Who asks. */
class User extends Context.Service<User, { readonly name: string }>()("examples/User") {}

const whoami = HttpRouter.add("GET", "/whoami", Effect.map(User, ({ name }) => HttpServerResponse.jsonUnsafe({ name })))

const echoRoute = HttpRouter.add(
  "GET",
  "/echo",
  Effect.gen(function*() {
    const { name } = yield* User
    const ws = yield* WebsocketHttpServer.upgrade()
    yield* ws.send(`Hello, ${name}`)
    yield* echo(ws)
    // Nobody gets it: with the 101 the request is answered.
    return HttpServerResponse.empty()
  })
)

/**
 * The same for both routes: an upgrade is a request until it is let in, and who is not gets a 401 and no 101. A browser
 * cannot send this header with a WebSocket; there it would be a cookie.
 */
const authenticated = HttpRouter.middleware<{ provides: User }>()(Effect.gen(function*() {
  const token = yield* Config.Redacted("TOKEN")
  return (route) =>
    Effect.gen(function*() {
      const { headers } = yield* HttpServerRequest
      return isSame(headers["authorization"] ?? "", `Bearer ${Redacted.value(token)}`)
        ? yield* Effect.provideService(route, User, { name: "Ada" })
        : HttpServerResponse.text("who are you?\n", { status: 401, headers: { "www-authenticate": "Bearer" } })
    })
}))

// In a time that does not tell how much of a guess was right.
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

// Whoever reaches the port may read it; a proxy in front should keep it to those who measure.
const metrics = PrometheusMetrics.layerHttp()

const announce = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Console.log(`listening on ${address}`))
)

const serve = ({ port }: { readonly port: number }) => {
  const routes = Layer.mergeAll(whoami, echoRoute).pipe(Layer.provide(authenticated.layer), Layer.merge(metrics))
  const server = WebsocketHttpServer.layer(createServer, { host: "127.0.0.1", port, websocket: { metrics: true } })
  return HttpRouter.serve(routes, { disableListenLog: true }).pipe(
    Layer.merge(announce),
    Layer.provide(server),
    Layer.launch
  )
}

runMain(Command.make("one-port", { port }, serve).pipe(Command.withDescription("Serves HTTP and WebSockets")))
