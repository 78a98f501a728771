import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { encode, Joined, Left, Member, Pulse, Said, type Sample, type ServerMessage, Welcome } from "./protocol.ts"
import type { Traffic } from "./traffic.ts"

/** How many messages of a room wait at most for the slowest of its members. */
export const capacity = 256

/**
 * Those who hear each other. What is told to a room is kept once for all its members, as the text that is sent, until the
 * last of them took it or 256 more have come. So nobody waits for a slow reader, and however many of them there are, they
 * cost no more memory than one. It loses the oldest of what it has not taken: texts, which it sees by their numbers, and
 * who came and went, which the next pulse makes good.
 */
export class Room {
  readonly feed: PubSub.PubSub<string>
  private readonly members = new Map<number, Member>()
  private lastMember = 0
  private lastSaid = 0

  constructor(feed: PubSub.PubSub<string>) {
    this.feed = feed
  }

  /** Comes in, and leaves when the scope closes. Who is in hears of everything from the own `Joined` on. */
  join(name: string): Effect.Effect<Seat, never, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const heard = yield* PubSub.subscribe(this.feed)
      const member = yield* Effect.acquireRelease(this.enter(name), (member) => this.leave(member))
      return { member, heard }
    })
  }

  /** What the newcomer has to know. */
  welcome(you: Member, history: ReadonlyArray<Sample>): Welcome {
    return new Welcome({ you, members: this.present, lastSaid: this.lastSaid, history })
  }

  say(by: Member, text: string): Effect.Effect<void> {
    return Effect.flatMap(
      Clock.currentTimeMillis,
      (at) => this.tell(new Said({ number: ++this.lastSaid, by, text, at }))
    )
  }

  pulse(sample: Sample): Effect.Effect<void> {
    return Effect.suspend(() => this.tell(new Pulse({ members: this.present, sample })))
  }

  private enter(name: string): Effect.Effect<Member> {
    return Effect.suspend(() => {
      const member = new Member({ id: ++this.lastMember, name })
      this.members.set(member.id, member)
      return Effect.as(this.tell(new Joined({ member })), member)
    })
  }

  private leave(member: Member): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.members.delete(member.id)
      return this.tell(new Left({ member }))
    })
  }

  private tell(message: ServerMessage): Effect.Effect<void> {
    return Effect.asVoid(PubSub.publish(this.feed, encode(message)))
  }

  private get present(): ReadonlyArray<Member> {
    return [...this.members.values()]
  }
}

/** A place in a room. */
export interface Seat {
  readonly member: Member
  readonly heard: PubSub.Subscription<string>
}

/** An empty room, which tells its members once a second how busy the server is, until the scope closes. */
export const make = Effect.fnUntraced(function*(traffic: Traffic) {
  const room = new Room(yield* PubSub.sliding<string>(capacity))
  const samples = Stream.fromPubSub(traffic.samples)
  yield* Effect.forkScoped(Stream.runForEach(samples, (sample) => room.pulse(sample)))
  return room
})
