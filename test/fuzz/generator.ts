/**
 * What inputs are made of: a generator makes a value, changes one that has proved interesting, and knows the smaller values next
 * to one. So inputs keep their structure, and a failing one is taken apart along it.
 */
import type { Random } from "./random.ts"

export interface Generator<A> {
  readonly make: (random: Random) => A
  /** The value with something about it changed. */
  readonly change: (random: Random, value: A) => A
  /** Values that are simpler, the simplest first. */
  readonly smaller: (value: A) => Iterable<A>
}

/** One of a few values, the simplest first. */
export const choice = <A>(values: ReadonlyArray<A>): Generator<A> => {
  const make = (random: Random) => random.pick(values)
  return { make, change: make, smaller: (value) => values.slice(0, Math.max(0, values.indexOf(value))) }
}

export const boolean: Generator<boolean> = choice([false, true])

/** A whole number of up to 31 bits, often one of the edges, which are also the first to be looked at for a smaller one. */
export const integer = (minimum: number, maximum: number, edges: ReadonlyArray<number> = []): Generator<number> => {
  const clamp = (value: number) => Math.max(minimum, Math.min(maximum, value))
  const make = (random: Random): number => {
    if (edges.length > 0 && random.below(3) > 0) return random.pick(edges)
    // Of any size: evenly spread, nearly all would be large.
    return minimum + random.below(Math.min(2 ** random.below(32), maximum - minimum) + 1)
  }
  return {
    make,
    change: (random, value) => (random.oneIn(2) ? make(random) : clamp(value + random.pick([-1, 1, -8, 8]))),
    smaller: (value) => [
      ...new Set(
        [minimum, ...edges, minimum + ((value - minimum) >>> 1), value - 1].filter((other) =>
          other >= minimum && other < value
        )
      )
    ]
  }
}

/** Bytes: noise, the same one again and again, or none. */
export const bytes = (most: number): Generator<Uint8Array> => ({
  make: (random) => {
    const made = new Uint8Array(random.below(random.pick([1, 8, most + 1])))
    const one = random.oneIn(3) ? random.pick(telling) : undefined
    for (let i = 0; i < made.length; i++) made[i] = one ?? random.next()
    return made
  },
  change: (random, value) => {
    const changed = changeRange(
      random,
      Array.from(value),
      () => random.oneIn(2) ? random.pick(telling) : random.below(256)
    )
    return Uint8Array.from(changed.slice(0, most))
  },
  *smaller(value) {
    for (const rest of without(Array.from(value))) yield Uint8Array.from(rest)
    for (let i = 0; i < Math.min(value.length, 64); i++) if (value[i] !== 0) yield value.with(i, 0)
  }
})

/** A string put together from fragments, with characters that do not belong there now and then. */
export const string = (fragments: ReadonlyArray<string>, most: number): Generator<string> => {
  const odd = (random: Random): string =>
    random.oneIn(3)
      ? String.fromCharCode(random.below(random.pick([0x20, 0x80, 0x100, 0x1_0000])))
      : random.pick(fragments)
  return {
    make: (random) => Array.from({ length: random.below(random.pick([2, 5, most + 1])) }, () => odd(random)).join(""),
    change: (random, value) => changeRange(random, value.split(""), () => odd(random)).join("").slice(0, 50 * most),
    *smaller(value) {
      for (const rest of without(value.split(""))) yield rest.join("")
      for (let i = 0; i < Math.min(value.length, 64); i++) {
        if (value[i] !== "a") yield `${value.slice(0, i)}a${value.slice(i + 1)}`
      }
    }
  }
}

export const list = <A>(item: Generator<A>, most: number): Generator<ReadonlyArray<A>> => ({
  make: (random) => Array.from({ length: random.below(random.pick([2, 4, most + 1])) }, () => item.make(random)),
  change: (random, value) => {
    if (value.length === 0 || random.oneIn(3)) {
      return changeRange(random, value, () => item.make(random)).slice(0, most)
    }
    const at = random.below(value.length)
    return value.with(at, item.change(random, value[at]!))
  },
  *smaller(value) {
    yield* without(value)
    for (const [i, one] of value.entries()) {
      for (const smaller of item.smaller(one)) yield value.with(i, smaller)
    }
  }
})

/** A value, or none, which is simpler. */
export const optional = <A>(item: Generator<A>): Generator<A | undefined> => ({
  make: (random) => (random.oneIn(2) ? undefined : item.make(random)),
  change: (random, value) =>
    value === undefined ? item.make(random) : random.oneIn(4) ? undefined : item.change(random, value),
  *smaller(value) {
    if (value === undefined) return
    yield undefined
    yield* item.smaller(value)
  }
})

export const struct = <A extends object>(
  fields: { readonly [Name in keyof A]-?: Generator<A[Name]> }
): Generator<A> => {
  const names = Object.keys(fields).filter((name): name is keyof A & string => name in fields)
  return {
    make: (random) => {
      const made: Array<ReadonlyArray<unknown>> = names.map((name) => [name, fields[name].make(random)])
      return Object.fromEntries(made)
    },
    change: (random, value) => {
      const name = random.pick(names)
      return { ...value, [name]: fields[name].change(random, value[name]) }
    },
    *smaller(value) {
      for (const name of names) {
        for (const smaller of fields[name].smaller(value[name])) yield { ...value, [name]: smaller }
      }
    }
  }
}

/** One of several kinds of thing, each of which says by `_tag` which it is. */
export const tagged = <A extends { readonly _tag: string }>(
  kinds: { readonly [Tag in A["_tag"]]: Generator<Extract<A, { readonly _tag: Tag }>> }
): Generator<A> => {
  // The generator that makes values of this tag, and only those.
  const of = (tag: string): Generator<A> => Object(kinds)[tag]
  const tags = Object.keys(kinds)
  const make = (random: Random): A => of(random.pick(tags)).make(random)
  return {
    make,
    change: (random, value) => (random.oneIn(8) ? make(random) : of(value._tag).change(random, value)),
    smaller: (value) => of(value._tag).smaller(value)
  }
}

/** Bytes that mean something in a header of a frame, a text or a block of deflate. */
const telling = [0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x88, 0x89, 0xc0, 0xc2, 0xed, 0xf4, 0xfe, 0xff]

/** Something put in, left out, doubled, exchanged or replaced. */
const changeRange = <A>(random: Random, items: ReadonlyArray<A>, make: () => A): ReadonlyArray<A> => {
  const at = random.below(items.length + 1)
  const count = 1 + random.below(random.pick([1, 4, items.length + 1]))
  switch (random.below(5)) {
    case 0:
      return items.toSpliced(at, 0, make())
    case 1:
      return items.toSpliced(at, count)
    case 2:
      return items.toSpliced(random.below(items.length + 1), 0, ...items.slice(at, at + count))
    case 3:
      return [...items.slice(at), ...items.slice(0, at)]
    default:
      return items.toSpliced(at, 1, make())
  }
}

/** The items without some of them: half, a quarter, and so on to each single one. */
function* without<A>(items: ReadonlyArray<A>): Iterable<ReadonlyArray<A>> {
  if (items.length === 0) return
  for (let size = items.length; size >= 1; size = size >>> 1) {
    for (let at = 0; at < items.length; at += size) yield items.toSpliced(at, size)
  }
}
