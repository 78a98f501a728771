/** Those who wait for something, first come first served. */
export class Waiters<A> {
  // Seldom more than one waits, and for one there is no need of an array.
  private first: A | undefined = undefined
  private others: Array<A> = none

  get isEmpty(): boolean {
    return this.first === undefined
  }

  add(waiter: A): void {
    if (this.first === undefined) this.first = waiter
    else if (this.others === none) this.others = [waiter]
    else this.others.push(waiter)
  }

  /** Takes the first away. */
  take(): A | undefined {
    const { first } = this
    this.first = this.others.shift()
    return first
  }

  /** Calls all, one after the other. */
  wake(this: Waiters<() => void>): void {
    while (!this.isEmpty) this.take()!()
  }

  remove(waiter: A): void {
    if (this.first === waiter) {
      this.take()
      return
    }
    const index = this.others.indexOf(waiter)
    if (index >= 0) this.others.splice(index, 1)
  }
}

// Shared by all: never written to.
const none: Array<never> = []
