/** The client's half of the opening handshake (RFC 6455 4.1): checks, dials, follows redirects, confirms the answer. */
import { ResponseError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { Options } from "../WebsocketClient.ts"
import { Deadline, Handshake, type InvalidRedirect, OpenError, Refused } from "../WebsocketError.ts"
import * as WebsocketStream from "../WebsocketStream.ts"
import { deflateOptions } from "./deflate.ts"
import { dial, type Upgraded } from "./dial.ts"
import { cannotOpen } from "./invalidOption.ts"
import type { Agreed } from "./messageStream.ts"
import { duration, whole } from "./optionChecks.ts"
import * as Redirect from "./redirect.ts"
import { checkStreamOptions } from "./streamOptions.ts"
import * as Target from "./target.ts"
import { checkUnixPath } from "./unixPath.ts"

export interface OpenOptions extends Options {
  readonly openDeadline: Duration.Input
}

/** An open connection, which is the scope's, and what was agreed on. */
export interface Connection extends Agreed {
  readonly stream: WebsocketStream.WebsocketStream["Service"]
}

export const open = (
  url: string | URL,
  options: OpenOptions
): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const plan = yield* Effect.fromResult(check(url, options)).pipe(Effect.mapError(cannotOpen))
    const start = yield* Clock.monotonicTimeNanos
    const left = Effect.map(Clock.monotonicTimeNanos, (now) => {
      const spent = Duration.nanos(now - start)
      return Duration.subtract(plan.openDeadline, spent)
    })
    const opened = hop(plan, plan.target, left, options.maxRedirects ?? 0)
    return yield* Effect.withSpan(opened, "websocket.connect", { kind: "client", attributes: attributes(plan) })
  })

/** What was found to be usable, before anything is dialled. */
interface Plan {
  readonly options: Options
  readonly target: Target.Target
  readonly wanted: PermessageDeflate.Parameters | undefined
  readonly openDeadline: Duration.Duration
}

const check = (url: string | URL, options: OpenOptions): Result.Result<Plan, OptionError> =>
  Result.gen(function*() {
    yield* checkStreamOptions({ ...options, role: "client" })
    const { maxRedirects, openDeadline, socketPath } = options
    const wrong = duration("openDeadline", openDeadline) ??
      whole("maxRedirects", maxRedirects, 0, Number.MAX_SAFE_INTEGER) ??
      // Node would dial the URL's host for one that is empty.
      checkUnixPath("socketPath", socketPath)
    if (wrong !== undefined) return yield* Result.fail(wrong)
    const plan: Plan = {
      options,
      target: yield* Target.parse(url, options.headers),
      wanted: yield* deflateOptions(options.deflate),
      openDeadline: Duration.fromInputUnsafe(openDeadline)
    }
    // With any nonce: what else it is made of may be wrong.
    yield* requestOf(plan, plan.target, new Uint8Array(16))
    return plan
  })

const requestOf = (
  { options, wanted }: Plan,
  { headers, url }: Target.Target,
  nonce: Uint8Array
): Result.Result<OpeningHandshake.Request, OptionError> =>
  OpeningHandshake.request({
    host: url.host,
    target: `${url.pathname}${url.search}`,
    nonce,
    subprotocols: options.subprotocols,
    extensions: wanted === undefined ? undefined : PermessageDeflate.offer(wanted),
    headers
  })

// One connection, and those that it sends on to.
const hop = (
  plan: Plan,
  target: Target.Target,
  left: Effect.Effect<Duration.Duration>,
  redirects: number
): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    // RFC 6455 4.1: "The nonce MUST be selected randomly for each connection."
    const nonce = yield* Effect.sync(() => randomBytes(16))
    const handshake = yield* Effect.fromResult(requestOf(plan, target, nonce)).pipe(Effect.mapError(cannotOpen))
    return yield* dial(target.url, handshake, plan.options, (answer) =>
      Effect.gen(function*() {
        const answered = yield* Effect.timeoutOrElse(answer, {
          duration: yield* left,
          orElse: () => Effect.fail(new OpenError({ reason: new Deadline({ duration: plan.openDeadline }) }))
        })
        if (answered._tag === "Upgraded") return yield* confirm(plan, answered, handshake)
        const { body, headers, status } = answered
        // Node takes it for no upgrade for want of the headers.
        if (status === 101) return yield* distrust(new ResponseError({ reason: { _tag: "NotUpgraded" } }))
        yield* Effect.annotateCurrentSpan("http.response.status_code", status)
        const next = Redirect.next(target, status, headers)
        if (next !== undefined && redirects > 0) return yield* redirect(next)
        // A server that takes its time to say why is not worth more of ours.
        yield* Effect.timeoutOption(body.complete, yield* left)
        const leadsTo = next !== undefined && Result.isSuccess(next) ? { redirect: next.success.url.origin } : undefined
        return yield* new OpenError({ reason: new Refused({ status, headers, body: body.text, ...leadsTo }) })
      }))
  }).pipe(Effect.catchTag("Redirected", (redirected) => hop(plan, redirected.target, left, redirects - 1)))

// A failure, so that what was dialled is gone before the next is.
const redirect = (next: Result.Result<Target.Target, InvalidRedirect>) =>
  Result.match(next, {
    onFailure: (reason) => Effect.fail(new OpenError({ reason })),
    onSuccess: (target) => Effect.fail({ _tag: "Redirected", target } as const)
  })

const confirm = (
  { options, wanted }: Plan,
  answered: Upgraded,
  handshake: OpeningHandshake.Request
): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const agreed = Result.flatMap(OpeningHandshake.confirm(answered, handshake), ({ extensions, subprotocol }) =>
      // What was not offered was refused by then.
      Result.map(PermessageDeflate.confirm(extensions, wanted ?? PermessageDeflate.defaults), (deflate) => ({
        subprotocol,
        deflate
      })))
    if (Result.isFailure(agreed)) return yield* distrust(agreed.failure)
    const { deflate, subprotocol } = agreed.success
    const stream = yield* WebsocketStream.make(answered.socket, {
      ...options,
      role: "client",
      head: answered.head,
      rsv1: deflate !== undefined
    }).pipe(Effect.mapError(cannotOpen))
    return { stream, subprotocol, deflate }
  })

// The semantic conventions of OpenTelemetry. The query may have secrets, as userinfo has, which is not in the URL any more.
const attributes = ({ options, target: { url } }: Plan): Record<string, unknown> => ({
  ...(options.socketPath === undefined
    ? {
      "server.address": Target.hostname(url),
      "server.port": Number(url.port || (url.protocol === "wss:" ? 443 : 80))
    }
    : { "server.address": options.socketPath }),
  "url.scheme": url.protocol.slice(0, -1),
  "url.path": url.pathname,
  "network.protocol.name": "websocket"
})

const distrust = (error: ResponseError) => new OpenError({ reason: new Handshake({ error }) })
