/**
 * A client at a server, from its request to the end of its handler. What a connection weighs is this: one fiber, whose last
 * step is `leave`, and one object, its scope, for what would otherwise be scopes, finalizers and closures around it.
 */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { OpenError } from "../WebsocketError.ts"
import { Refusal, WebsocketRequest } from "../WebsocketRequest.ts"
import type { Handler, RunOptions } from "../WebsocketServer.ts"
import { closeCodeOf } from "./closed.ts"
import { closing } from "./closing.ts"
import { FrameStream } from "./frameStream.ts"
import { endsAsExpected, isExpected, logFailure, logIfOverrun, logUnlessEnd, type Stage } from "./handlerEnd.ts"
import { cannotOpen } from "./invalidOption.ts"
import { MessageStream } from "./messageStream.ts"
import { OwnScope } from "./ownScope.ts"
import { ReceivedRequest } from "./receivedRequest.ts"
import type { Reception, Shift, Visitor } from "./reception.ts"
import {
  answeredAlready,
  type Arrival,
  internalServerError,
  isAnswered,
  misconfigured,
  negotiate,
  reject
} from "./upgrade.ts"
import { Vigil } from "./vigil.ts"

/** What runs for each client. */
export interface Host<A, E, R, RA> {
  readonly reception: Reception
  readonly shift: Shift
  readonly handler: Handler<A, E, R>
  readonly running: RunOptions<A, RA>
  /** What the handler needs, but for what each connection has of its own. */
  readonly context: Context.Context<never>
  /** Whether somebody collects spans: one weighs as much as all the rest. */
  readonly isTraced: boolean
}

/** Who asks to come in, and what it offers. */
interface Entry {
  readonly arrival: Arrival
  readonly offer: OpeningHandshake.Offer
}

export class Guest<A, E, R, RA> extends OwnScope implements Visitor {
  vigil: Vigil | undefined = undefined
  /** How far the connection had come when its handler ended. */
  stage: Stage = "Unopened"
  private readonly host: Host<A, E, R, RA>
  // Until the connection is open: what comes before the end of a fiber is held until then.
  private entry: Entry | undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined

  constructor(host: Host<A, E, R, RA>, arrival: Arrival, offer: OpeningHandshake.Offer) {
    super()
    this.host = host
    this.entry = { arrival, offer }
  }

  /** Begins a fiber, which is the guest's own until it has left. */
  enter(): void {
    const { context, isTraced, shift } = this.host
    const request = new GuestRequest(this, this.entry!)
    // Has all that the handler asks for: the rest by the signature of `run`, and the two of every connection.
    const own: Context.Context<any> = Context.add(
      Context.add(context, Scope.Scope, this),
      WebsocketRequest,
      request
    )
    shift.guests.add(this)
    this.fiber = Effect.runForkWith(own)(isTraced ? traced(request, stay) : stay)
  }

  /** What the fiber does until it leaves. Its first steps, which may end us, come before `enter` knows which it is. */
  visitBy(fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<unknown, E | Refusal | OpenError, R | RA> {
    this.fiber = fiber
    return this.visit
  }

  get left(): Effect.Effect<void> {
    return Effect.asVoid(Fiber.await(this.fiber!))
  }

  get dismissed(): Effect.Effect<void> {
    return Fiber.interrupt(this.fiber!)
  }

  interrupt(): void {
    this.fiber!.interruptUnsafe()
  }

  private get visit(): Effect.Effect<unknown, E | Refusal | OpenError, R | RA> {
    const { admit } = this.host.running
    // A race takes two fibers more, of which there is no need where everybody is admitted.
    return isSuccess(admit)
      ? this.serve(admit.value)
      : Effect.flatMap(this.admission(admit), (admitted) => this.serve(admitted))
  }

  private admission(admit: Effect.Effect<A, Refusal, RA>): Effect.Effect<A, Refusal | OpenError, RA> {
    const { reception } = this.host
    return admit.pipe(
      Effect.timeoutOrElse({ duration: reception.settings.handshakeDeadline, orElse: tookTooLong }),
      Effect.tapErrorTag("Refusal", (refusal) => this.refuse(refusal))
    )
  }

  private serve(admitted: A): Effect.Effect<unknown, E | OpenError, R> {
    const { handler, reception, shift } = this.host
    const { arrival } = this.entry!
    if (shift.isDraining) return reception.turnAway(arrival)
    const opened = this.open(admitted)
    return Result.isSuccess(opened) ? handler(opened.success, admitted) : this.misconfigured(arrival, opened.failure)
  }

  private misconfigured(arrival: Arrival, error: OptionError): Effect.Effect<never, OpenError> {
    if (!isAnswered(arrival.socket)) this.host.reception.meter?.refused(500)
    return misconfigured(arrival, error)
  }

  // In one step, so that whoever interrupts finds the connection unopened or here, where `leave` closes it.
  private open(admitted: A) {
    const { reception: { messages: messageSettings, meter, settings, watch }, running } = this.host
    const { arrival, offer } = this.entry!
    // Nobody else has to do with what is ours alone, whose socket there may be none of.
    if (!settings.ownsServer && isAnswered(arrival.socket)) return Result.fail(answeredAlready("server"))
    // Most say the same to all: no copy of every option for each.
    const options = running.answer === undefined
      ? settings.options
      : { ...settings.options, ...running.answer(admitted) }
    const agreed = negotiate(arrival.request, offer, options, settings.deflate)
    if (Result.isFailure(agreed)) return Result.fail(agreed.failure)
    const { deflate, greeting } = agreed.success
    const beginning = { head: arrival.head, greeting, rsv1: deflate !== undefined }
    const stream = new FrameStream(arrival.take(), settings.stream, beginning)
    // Nobody else has had it, to take it over.
    const messages = MessageStream.over(stream, messageSettings, agreed.success)!
    this.entry = undefined
    this.vigil = new Vigil(messages, watch, this)
    meter?.accepted()
    return Result.succeed(messages)
  }

  private refuse(refusal: Refusal): Effect.Effect<void, OpenError> {
    const response = OpeningHandshake.refuse(refusal)
    if (Result.isFailure(response)) return cannotOpen(response.failure)
    this.host.reception.meter?.refused(response.success.status)
    return reject(this.entry!.arrival, response.success)
  }

  leave(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { reception, shift } = this.host
    // As the handler has left it: what else fails so is a connection of its own, or a bug.
    if (this.vigil !== undefined) this.stage = this.vigil.stream.isOver ? "Over" : "Open"
    return Effect.exit(Scope.close(this, exit)).pipe(
      Effect.tap(() => this.close(exit)),
      Effect.tap(() => logIfOverrun(this.vigil)),
      Effect.flatMap((closed) => Effect.andThen(logExit(exit, this.stage), logExit(closed, "Over"))),
      Effect.ensuring(Effect.sync(() => {
        shift.guests.delete(this)
        reception.left()
      }))
    )
  }

  private close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { entry, vigil } = this
    if (vigil === undefined) return this.answerAnyway(entry!.arrival, exit)
    const { isTraced, reception: { settings } } = this.host
    const end = endsAsExpected(exit, this.stage) ? Exit.void : exit
    const said = isTraced ? closing(vigil.stream)(end) : vigil.stream.release(closeCodeOf(end))
    return Effect.andThen(said, vigil.stream.relinquish(settings.stream.linger))
  }

  // Who has left, or was answered, by a refusal or by the 101 of somebody else, is told nothing more.
  private answerAnyway(arrival: Arrival, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { reception, shift } = this.host
    const { socket } = arrival
    if (socket.destroyed || isAnswered(socket)) return Effect.void
    // What the draining has interrupted is no bug.
    if (shift.isDraining) return reception.turnAway(arrival)
    reception.meter?.refused(500)
    const rejected = reject(arrival, internalServerError)
    // Nobody has interrupted it but itself, as who joins a fiber does that was interrupted: as an end it would not be told.
    return Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
      ? Effect.andThen(rejected, logFailure(exit.cause, "admission"))
      : rejected
  }
}

const isSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** Tells whose fiber it is, too: a service of its own for that would weigh 48 bytes more. */
class GuestRequest extends ReceivedRequest {
  // Not to be seen by the handler, nor where it prints its request.
  readonly #guest: Guest<any, unknown, any, any>

  constructor(guest: Guest<any, unknown, any, any>, { arrival, offer }: Entry) {
    super(arrival, offer)
    this.#guest = guest
  }

  get guest(): Guest<any, unknown, any, any> {
    return this.#guest
  }
}

/** The `WebsocketRequest` of the context, by what we know of it. */
class Current extends Context.Service<Current, GuestRequest>()(WebsocketRequest.key) {}

// One for all, which knows its guest by the context: of each connection's own it would hold four closures for as long as it lasts.
const stay = Effect.onExit(
  Effect.withFiber((fiber) => Context.getUnsafe(fiber.context, Current).guest.visitBy(fiber)),
  (exit) => Current.use(({ guest }) => guest.leave(exit))
)

const tookTooLong = () => new Refusal({ status: 503, body: "it took too long to find out who may connect\n" })

const logExit = (exit: Exit.Exit<unknown, unknown>, stage: Stage): Effect.Effect<void> =>
  Exit.isSuccess(exit)
    ? Effect.void
    // The handler runs when the connection is open.
    : logUnlessEnd(exit.cause, stage, stage === "Unopened" ? "admission" : "handler")

// Named by OpenTelemetry's semantic conventions. Not the query, nor any other header: there may be secrets in them.
const traced = <A, E, R>(
  { guest, headers, path, remoteAddress }: GuestRequest,
  visit: Effect.Effect<A, E, R>
): Effect.Effect<unknown, E, R> =>
  // The end of a connection is no failure of the span. Asks for no parent, whatever its type says.
  Effect.withSpan(
    Effect.catchIf(visit, (error) => isExpected(error, guest.stage), () => Effect.void),
    "websocket.handler",
    {
      kind: "server",
      attributes: {
        "network.protocol.name": "websocket",
        "url.path": path,
        ...attribute("client.address", remoteAddress),
        ...attribute("user_agent.original", headers["user-agent"])
      },
      captureStackTrace: false
    }
  ) as Effect.Effect<unknown, E, R>

// Exporters would write "undefined".
const attribute = (name: string, value: string | undefined) => value === undefined ? undefined : { [name]: value }
