import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import * as Frame from "@websocket-stream/core/Frame"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import { boolean, elementOf, headerSoup, integer, maskingKey, oneOf, role } from "./support/arbitraries.ts"
import { noise } from "./support/bytes.ts"
import { listOf, text } from "./support/messages.ts"
import { type Endpoint, Pair } from "./support/pair.ts"

const length = oneOf(integer(0, 20), elementOf([125, 126, 300]))
const bytes = Arbitrary.map(Arbitrary.all([length, maskingKey]), ([length, seed]) => noise(length, seed))

const act = (act: (endpoint: Endpoint) => void) => ({ pair, who }: { readonly pair: Pair; readonly who: Role }) =>
  act(pair[who])

type Action = (on: { readonly pair: Pair; readonly who: Role }) => void

const sends: Arbitrary.Arbitrary<Action> = oneOf(
  Arbitrary.map(text, (text) => act((endpoint) => endpoint.send(Message.text(text)))),
  Arbitrary.map(bytes, (bytes) => act((endpoint) => endpoint.send(Message.binary(bytes)))),
  Arbitrary.map(
    Arbitrary.all({
      opcode: elementOf([Opcode.Continuation, Opcode.Continuation, Opcode.Binary] as const),
      bytes,
      fin: boolean
    }),
    ({ bytes, fin, opcode }) => act((endpoint) => endpoint.sendFragment(Frame.make(opcode, bytes, { fin })))
  ),
  Arbitrary.map(integer(0, 125), (length) => act((endpoint) => endpoint.ping(noise(length, length + 1))))
)

/** The network: some bytes go on, some of them less than a header. */
const deliveries: Arbitrary.Arbitrary<Action> = Arbitrary.map(
  Arbitrary.all({ count: oneOf(integer(0, 8), integer(1, 500)), inPieces: boolean }),
  ({ count, inPieces }) => ({ pair, who }) => pair.deliver(who, count, inPieces)
)

const closings: Arbitrary.Arbitrary<Action> = Arbitrary.map(
  elementOf([
    undefined,
    Close.none,
    Close.make(1001),
    Close.make(1011, "failed"),
    Close.make(4999, "\u{1f600}".repeat(30))
  ]),
  (close) => act((endpoint) => endpoint.close(close))
)

const losses: Arbitrary.Arbitrary<Action> = oneOf<Action>(
  Arbitrary.Constant(act((endpoint) => endpoint.vanish())),
  Arbitrary.map(
    integer(0, 400),
    (keep) => ({ pair, who }) => (who === "server" ? pair.toServer : pair.toClient).drop(keep)
  ),
  // Both directions at once, as when a cable is cut.
  Arbitrary.map(Arbitrary.all([integer(0, 400), integer(0, 400)]), ([one, other]) => ({ pair }) => {
    pair.toServer.drop(one)
    pair.toClient.drop(other)
  })
)

const garbage: Arbitrary.Arbitrary<Action> = Arbitrary.map(
  oneOf(bytes, Arbitrary.map(headerSoup, ({ bytes }) => bytes.slice(0, 1000))),
  (bytes) => act((endpoint) => endpoint.sendGarbage(bytes))
)

/** Mostly the first, and now and then one of the others. */
const scenario = (...rare: ReadonlyArray<Arbitrary.Arbitrary<Action>>) => {
  const often = oneOf(sends, deliveries, deliveries)
  const action = Arbitrary.flatMap(integer(0, 14), (n) => (n < rare.length ? rare[n]! : often))
  return Arbitrary.all({
    actions: listOf(Arbitrary.all({ who: role, action }), 0, 60),
    lastToClose: role,
    ownsChunks: boolean
  })
}

type Scenario = Parameters<typeof run>[0]

const run = ({ actions, lastToClose, ownsChunks }: {
  readonly actions: ReadonlyArray<{ readonly who: Role; readonly action: Action }>
  readonly lastToClose: Role
  readonly ownsChunks: boolean
}): Pair => {
  const pair = new Pair(ownsChunks)
  for (const { action, who } of actions) action({ pair, who })
  pair.drain()
  // Unless the connection was closed by then, one of the two does it now.
  if (pair[lastToClose].connection.closing.sent === undefined) pair[lastToClose].close()
  pair.drain()
  return pair
}

/** The deadline of whoever has no answer: the link is cut, and what was written before still arrives. */
const cut = (pair: Pair): Pair => {
  if (!pair.isOver) {
    for (const link of [pair.toServer, pair.toClient]) link.drop(Infinity)
    pair.drain()
  }
  return pair
}

const directions = ({ client, server, toClient, toServer }: Pair) => [
  { from: client, to: server, link: toServer },
  { from: server, to: client, link: toClient }
]

const assertPrefix = (part: ReadonlyArray<string>, whole: ReadonlyArray<string>) =>
  assert.deepStrictEqual(part, whole.slice(0, part.length))

/** What holds whatever was lost and whoever was hostile. */
const assertAgreement = (pair: Pair): void => {
  assert.isTrue(pair.isOver)
  for (const { from, to } of directions(pair)) {
    // In their order, and each of them once, as far as the sender spoke our language.
    const honest = from.sentHonestly ?? from.sent.length
    assertPrefix(to.received.slice(0, honest), from.sent)
    if (from.sentHonestly === undefined) assert.isAtMost(to.received.length, from.sent.length)
    if (from.sentHonestly === undefined && to.sentHonestly === undefined) assertPrefix(from.pongs, from.pings)
    const { by, received, sent } = to.connection.closing
    assert.isTrue(received !== undefined && by !== undefined)
    assert.isTrue(sent === undefined || sent.code === 1005 || CloseCode.isSendable(sent.code))
    assert.strictEqual(to.connection.heldBytes, 0)
    // What one side says that it heard the other did say, or there was an end without a word.
    if (from.sentHonestly === undefined && received?.code !== CloseCode.AbnormalClosure) {
      assert.deepStrictEqual(received, from.connection.closing.sent)
    }
  }
}

describe("a client and a server over a link that splits and delays", { timeout: 60_000 }, () => {
  it.prop("end by the closing handshake alone, agree on both codes, and have all that was sent", {
    scenario: scenario(closings)
  }, ({ scenario }) => {
    const pair = run(scenario)
    assertAgreement(pair)
    for (const { from, link, to } of directions(pair)) {
      assert.isFalse(link.damaged)
      assert.deepStrictEqual(to.received, from.sent)
      assert.deepStrictEqual(to.connection.closing.received, from.connection.closing.sent)
    }
    assert.isFalse(pair.client.connection.closing.by === "Peer" && pair.server.connection.closing.by === "Peer")
  }, { arbitrary: { runs: 300 } })

  it.prop(
    "agree when bytes are lost at any place: what arrived is a beginning of what was sent, and the rest is 1006",
    {
      scenario: scenario(closings, losses)
    },
    ({ scenario }) => {
      const pair = cut(run(scenario))
      assertAgreement(pair)
      for (const { link, to } of directions(pair)) {
        // Nobody broke a rule, so nobody is told so: a cut frame is an end, not an error.
        assert.notInclude([1002, 1007, 1009], to.connection.closing.sent?.code)
        if (!link.damaged) assert.notStrictEqual(to.connection.closing.received, undefined)
      }
    },
    { arbitrary: { runs: 300 } }
  )

  it.prop("agree when one end is hostile: the other says why, once, or closes, and does not throw", {
    scenario: scenario(closings, losses, garbage, garbage)
  }, ({ scenario }) => {
    const pair = cut(run(scenario))
    assertAgreement(pair)
  }, { arbitrary: { runs: 400 } })

  // A law is worth what its generator reaches.
  it.effect("reach what they are about", () =>
    Effect.gen(function*() {
      const sample = (scenarios: Arbitrary.Arbitrary<Scenario>) =>
        Effect.map(
          Arbitrary.sampleEffect(scenarios, { count: 200, seed: "reach" }),
          (scenarios) => scenarios.map((scenario) => cut(run(scenario)))
        )
      const closingsOf = (pairs: ReadonlyArray<Pair>) =>
        pairs.flatMap(({ client, server }) => [client.connection.closing, server.connection.closing])
      const calm = yield* sample(scenario(closings))
      assert.isTrue(calm.some(({ client, server }) => client.received.length > 3 && server.received.length > 3))
      assert.isTrue(calm.some(({ client }) => client.pongs.length > 1))
      const byBoth = ({ client, server }: Pair) =>
        client.connection.closing.by === "Us" && server.connection.closing.by === "Us"
      assert.isTrue(calm.some(byBoth) && !calm.every(byBoth))
      assert.includeMembers(closingsOf(calm).map(({ sent }) => sent?.code), [1000, 1001, 1005, 1011, 4999])
      const lossy = yield* sample(scenario(closings, losses))
      assert.isTrue(lossy.some(({ client, server }) => client.received.length < server.sent.length))
      assert.isTrue(closingsOf(lossy).some(({ received, sent }) => received?.code === 1006 && sent === undefined))
      const hostile = yield* sample(scenario(closings, losses, garbage, garbage))
      const said = closingsOf(hostile).map(({ sent }) => sent?.code)
      assert.includeMembers(said, [
        ProtocolError.rules.MaskMissing.closeCode,
        ProtocolError.rules.FrameTooLarge.closeCode
      ])
    }))
})
