/** Those who wait for something, first come first served. */
export class Waiters<A> {
  private list: Array<A> = none

  get isEmpty(): boolean {
    return this.list.length === 0
  }

  add(waiter: A): void {
    if (this.list === none) this.list = [waiter]
    else this.list.push(waiter)
  }

  /** Takes the first away. */
  take(): A | undefined {
    const waiter = this.list.shift()
    if (this.list.length === 0) this.list = none
    return waiter
  }

  /** Calls all, one after the other. */
  wake(this: Waiters<() => void>): void {
    while (!this.isEmpty) this.take()!()
  }

  remove(waiter: A): void {
    const index = this.list.indexOf(waiter)
    if (index >= 0) this.list.splice(index, 1)
    if (this.list.length === 0) this.list = none
  }
}

// Shared by all that nobody waits for: an idle connection holds no array.
const none: Array<never> = []
