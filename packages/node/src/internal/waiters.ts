/** Those who wait for something, first come first served. What they wait for may be one itself. */
export class Waiters<A> {
  // Seldom more than one waits, and for one there is no need of a line.
  private first: A | undefined = undefined
  private others: Line<A> | undefined = undefined

  get isAwaited(): boolean {
    return this.first !== undefined
  }

  addWaiter(waiter: A): void {
    if (this.first === undefined) this.first = waiter
    else (this.others ??= new Line()).add(waiter)
  }

  /** Takes the first away. */
  takeWaiter(): A | undefined {
    const { first } = this
    this.first = this.others?.take()
    if (this.first === undefined) this.others = undefined
    return first
  }

  /** Calls all, one after the other. */
  wakeAll(this: Waiters<() => void>): void {
    while (this.isAwaited) this.takeWaiter()!()
  }

  removeWaiter(waiter: A): void {
    if (this.first === waiter) this.takeWaiter()
    else this.others?.remove(waiter)
  }
}

/** A line that anyone leaves at the same cost: of an array those behind would all move up, 2 seconds for 80,000 that leave. */
class Line<A> {
  private readonly all = new Set<A>()
  // One for all: a set keeps the places of those who have left for a while, and a new one would pass by them each time.
  private readonly order = this.all.values()

  add(waiter: A): void {
    this.all.add(waiter)
  }

  take(): A | undefined {
    // Once told that there is nobody, it would see nobody who comes later.
    if (this.all.size === 0) return undefined
    const { value } = this.order.next()
    this.remove(value!)
    return value
  }

  remove(waiter: A): void {
    this.all.delete(waiter)
  }
}
