/** RFC 6455 5.4: fragments, in every order, with control frames between them (Autobahn 5.x). */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertFrames, type Case, closeByPeer, protocolError, run, suite } from "../support/cases.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"
import type { Chop } from "../support/rawPeer.ts"

const first = (payload: string): Raw.Shape => ({ opcode: Raw.text, payload, fin: false })
const middle = (payload: string): Raw.Shape => ({ opcode: Raw.continuation, payload, fin: false })
const last = (payload: string): Raw.Shape => ({ opcode: Raw.continuation, payload })
const text = (payload: string): Raw.Shape => ({ opcode: Raw.text, payload })
const ping = (payload: string): Raw.Shape => ({ opcode: Raw.ping, payload })
const pong = (payload: string): Raw.Shape => ({ opcode: Raw.pong, payload })

const chops: ReadonlyArray<readonly [how: string, chop: Chop | undefined]> = [
  ["in one piece", undefined],
  ["by frames", "frames"],
  ["a byte at a time", 1]
]

/** Three cases whose numbers follow each other: in one piece, by frames, a byte at a time. */
const chopped = (number: number, name: string, one: Omit<Case, "name" | "chop">): ReadonlyArray<Case> =>
  chops.map(([how, chop], i) => ({
    name: `RFC 6455 5.4, Autobahn 5.${number + i}: ${name}, ${how}`,
    ...one,
    ...(chop === undefined ? {} : { chop })
  }))

const twice = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> => [...items, ...items]
const unexpected = protocolError("UnexpectedContinuation")

describe("fragments", () => {
  suite([
    {
      name: "RFC 6455 5.5, Autobahn 5.1: a ping in two fragments",
      send: [{ ...ping("fragment1"), fin: false }, last("fragment2")],
      fails: protocolError("FragmentedControl")
    },
    {
      name: "RFC 6455 5.5, Autobahn 5.2: a pong in two fragments",
      send: [{ ...pong("fragment1"), fin: false }, last("fragment2")],
      fails: protocolError("FragmentedControl")
    },
    ...chopped(3, "a text in two fragments", {
      send: [first("fragment1"), last("fragment2")],
      answers: [text("fragment1fragment2")]
    }),
    ...chopped(6, "a ping between two fragments", {
      send: [first("fragment1"), ping("ping"), last("fragment2")],
      answers: [pong("ping"), text("fragment1fragment2")]
    }),
    ...chopped(9, "a last continuation of nothing", {
      send: [last("non-continuation payload"), text("Hello, world!")],
      fails: unexpected
    }),
    ...chopped(12, "a continuation of nothing", {
      send: [middle("non-continuation payload"), text("Hello, world!")],
      fails: unexpected
    }),
    {
      name: "RFC 6455 5.4, Autobahn 5.15: a text in two fragments, then a continuation of nothing",
      send: [first("fragment1"), last("fragment2"), middle("fragment3"), text("fragment4")],
      answers: [text("fragment1fragment2")],
      fails: unexpected
    },
    {
      name: "RFC 6455 5.4, Autobahn 5.16: twice a continuation of nothing, then a text in two fragments",
      send: twice([middle("fragment1"), first("fragment2"), last("fragment3")]),
      fails: unexpected
    },
    {
      name: "RFC 6455 5.4, Autobahn 5.17: twice a last continuation of nothing, then a text in two fragments",
      send: twice([last("fragment1"), first("fragment2"), last("fragment3")]),
      fails: unexpected
    },
    {
      name: "RFC 6455 5.4, Autobahn 5.18: a second text amid the first one",
      send: [first("fragment1"), text("fragment2")],
      fails: protocolError("ExpectedContinuation")
    },
    {
      name: "RFC 6455 5.4: a binary amid a text",
      send: [first("fragment1"), { opcode: Raw.binary, payload: "fragment2" }],
      fails: protocolError("ExpectedContinuation")
    },
    {
      name: "RFC 6455 5.4: a second beginning amid a text",
      send: [first("fragment1"), first("fragment2"), last("fragment3")],
      fails: protocolError("ExpectedContinuation")
    },
    {
      name: "RFC 6455 5.4: fragments without a byte",
      send: [first(""), middle(""), middle(""), last("")],
      answers: [text("")]
    },
    {
      name: "RFC 6455 5.4: binary fragments, which need not be texts each by itself",
      send: [
        { opcode: Raw.binary, payload: Buffer.from([0xff]), fin: false },
        { opcode: Raw.continuation, payload: Buffer.from([0xfe]) }
      ],
      answers: [{ opcode: Raw.binary, payload: Buffer.from([0xff, 0xfe]) }]
    },
    {
      name: "RFC 6455 5.4: a pong amid fragments",
      send: [first("a"), pong("unsolicited"), last("b")],
      answers: [text("ab")]
    },
    {
      name: "RFC 6455 5.5: a Close frame without FIN",
      send: [{ opcode: Raw.close, payload: Raw.closeBody(1000), fin: false }],
      fails: protocolError("FragmentedControl")
    }
  ])
})

const five = ["fragment1", "fragment2", "fragment3", "fragment4", "fragment5"]

describe("pings amid fragments", () => {
  inBothRoles((role) => {
    for (const [number, chop] of [[19, undefined], [20, 1]] as const) {
      it.live(
        `RFC 6455 5.5.2, Autobahn 5.${number}: five fragments with two pings, ${
          chop === 1 ? "a byte at a time" : "in two pieces"
        }`,
        () =>
          Effect.gen(function*() {
            const opened = yield* open(role)
            yield* opened.peer.send([first(five[0]!), middle(five[1]!), ping("pongme 1!")], chop)
            // Answered while the message is not whole, and nothing else comes until it is.
            assertFrames([yield* opened.peer.frame], role, [pong("pongme 1!")])
            yield* opened.peer.send([middle(five[2]!), middle(five[3]!), ping("pongme 2!"), last(five[4]!)], chop)
            assertFrames(yield* opened.peer.frames(2), role, [pong("pongme 2!"), text(five.join(""))])
            yield* closeByPeer(opened, role)
          })
      )
    }
  })
})

// All ways to cut a text of five bytes into frames, with a ping behind each of them.
describe("every fragmentation", () => {
  const payload = "h\u00e9ll"
  const bytes = Buffer.from(payload)
  const send = Array.from({ length: 2 ** (bytes.length - 1) }, (_, cuts) => {
    const frames: Array<Raw.Shape> = []
    let start = 0
    for (let end = 1; end <= bytes.length; end++) {
      const fin = end === bytes.length
      if (!fin && (cuts & (1 << (end - 1))) === 0) continue
      frames.push({ opcode: start === 0 ? Raw.text : Raw.continuation, payload: bytes.subarray(start, end), fin })
      start = end
    }
    return frames
  })
  inBothRoles((role) => {
    it.live("RFC 6455 5.4: every fragmentation of a text is the same message", () =>
      run(role, { name: "", send: send.flat(), answers: send.map(() => text(payload)) }))

    it.live("RFC 6455 5.4: so it is with a ping behind every frame", () =>
      Effect.gen(function*() {
        const { peer } = yield* open(role)
        const frames = send.flat().flatMap((frame) => [frame, ping("?")])
        yield* peer.send(frames)
        // A pong may overtake the answer to a message.
        const answers = yield* peer.frames(send.length + frames.length / 2)
        const pongs = answers.filter(({ opcode }) => opcode === Raw.pong)
        assertFrames(answers.filter(({ opcode }) => opcode !== Raw.pong), role, send.map(() => text(payload)))
        assertFrames(pongs, role, pongs.map(() => pong("?")))
      }))
  })
})
