/** The only source of chance here: the same numbers for the same seed. */
export class Random {
  private a = 0x9e3779b9
  private b = 0x243f6a88
  private c: number
  private counter = 1

  constructor(seed: number) {
    this.c = seed | 0
    for (let i = 0; i < 12; i++) this.next()
  }

  /** 32 bits. */
  // Doty-Humphrey's sfc32: a generator of 32 bits of state would repeat itself within an hour.
  next(): number {
    const sum = (this.a + this.b + this.counter++) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number from 0 to one less than `count`. */
  below(count: number): number {
    return this.next() % count
  }

  /** Whether the one case of so many has come. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]!
  }
}
