/** Those who wait for something, first come first served. What they wait for may be one itself. */
export class Waiters<A> {
  // Seldom more than one waits, and for one there is no need of an array.
  private first: A | undefined = undefined
  private others: Array<A> = none

  get isAwaited(): boolean {
    return this.first !== undefined
  }

  addWaiter(waiter: A): void {
    if (this.first === undefined) this.first = waiter
    else if (this.others === none) this.others = [waiter]
    else this.others.push(waiter)
  }

  /** Takes the first away. */
  takeWaiter(): A | undefined {
    const { first } = this
    this.first = this.others.shift()
    return first
  }

  /** Calls all, one after the other. */
  wakeAll(this: Waiters<() => void>): void {
    while (this.isAwaited) this.takeWaiter()!()
  }

  removeWaiter(waiter: A): void {
    if (this.first === waiter) {
      this.takeWaiter()
      return
    }
    const index = this.others.indexOf(waiter)
    if (index >= 0) this.others.splice(index, 1)
  }
}

// Shared by all: never written to.
const none: Array<never> = []
