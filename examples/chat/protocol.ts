/** What a page and the server tell each other on `/chat`: each text message is one of these as JSON. */
import { CloseCode, type Message } from "@websocket-stream/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const maxName = 32
export const maxText = 2_000

/** The largest message to take, in bytes: a text that is all escapes, `\u0000`, has room in it. */
export const maxMessageSize = 16 * 1024

const Name = Schema.String.check(
  Schema.makeFilter((name: string) => name.length > 0 && name.length <= maxName && name.trim() === name, {
    expected: `a name of 1 to ${maxName} characters without space around it`
  })
)
const Text = Schema.String.check(
  Schema.makeFilter((text: string) => text.length <= maxText && text.trim() !== "", {
    expected: `a text of 1 to ${maxText} characters`
  })
)

// What a page says. It comes from outside, so nothing of it is believed before it was decoded.

/** The first message: who comes in, and where. */
export class Join extends Schema.TaggedClass<Join>()("Join", { room: Name, name: Name }) {}

/** To everybody in the room. */
export class Say extends Schema.TaggedClass<Say>()("Say", { text: Text }) {}

// What the server says.

/** Somebody in a room. Two may have the same name, so each has a number. */
export class Member extends Schema.Class<Member>("Member")({ id: Schema.Int, name: Schema.String }) {}

/** How busy the server was in one second. */
export class Sample extends Schema.Class<Sample>("Sample")({
  /** Open connections at its end. */
  connections: Schema.Int,
  /** Texts that were said in it. */
  messages: Schema.Int
}) {}

/** The answer to `Join`. */
export class Welcome extends Schema.TaggedClass<Welcome>()("Welcome", {
  you: Member,
  members: Schema.Array(Member),
  /** The number of the last text that was said here before. */
  lastSaid: Schema.Int,
  /** The samples of the last minute, oldest first. */
  history: Schema.Array(Sample)
}) {}

export class Joined extends Schema.TaggedClass<Joined>()("Joined", { member: Member }) {}

export class Left extends Schema.TaggedClass<Left>()("Left", { member: Member }) {}

/** Texts of a room are numbered, so that who misses some knows it. */
export class Said extends Schema.TaggedClass<Said>()("Said", {
  number: Schema.Int,
  by: Member,
  text: Schema.String,
  /** Milliseconds since 1970. */
  at: Schema.Int
}) {}

/** Once a second. It says who is there, too, which makes good a `Joined` or `Left` that was missed. */
export class Pulse extends Schema.TaggedClass<Pulse>()("Pulse", { members: Schema.Array(Member), sample: Sample }) {}

export type ServerMessage = Welcome | Joined | Left | Said | Pulse

/** What a page sent is nothing that it may send. It is told so with this close code. */
export class BadMessage extends Data.TaggedError("BadMessage")<{ readonly code: number; readonly problem: string }> {
  override get message(): string {
    return this.problem
  }
}

const decodeText = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Union([Join, Say])))

/** What a message of a page says. */
export const decode = (message: Message.Message): Effect.Effect<Join | Say, BadMessage> =>
  message._tag === "Binary"
    ? Effect.fail(new BadMessage({ code: CloseCode.UnsupportedData, problem: "Expected a text, and got bytes" }))
    : Effect.mapError(
      decodeText(message.text),
      // The error names the field on a line of its own.
      ({ message }) => new BadMessage({ code: CloseCode.PolicyViolation, problem: message.replaceAll(/\s+/g, " ") })
    )

export const encode = (message: ServerMessage): string => JSON.stringify(message)
