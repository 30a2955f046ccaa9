/**
 * Which edits of this browser are durable. The gateway confirms update messages by their count (message 101), and
 * everything before a query (message 102). What a connection takes with it when it ends counts as unsaved again, until the
 * step 2 of the next one has brought it there.
 */
export class Ledger {
  /** Edits that stand in no message of this connection. */
  #loose = 0
  #updates: { number: number; edits: number }[] = []
  #queries: { number: number; edits: number }[] = []
  #updatesSent = 0
  #queriesSent = 0

  get unsaved(): number {
    const inFlight = [...this.#updates, ...this.#queries].reduce((sum, message) => sum + message.edits, 0)
    return this.#loose + inFlight
  }

  edited(): void {
    this.#loose += 1
  }

  /** An update message left; it carries one edit, or somebody else's that was only passed on. */
  sentUpdate(edits: 0 | 1): void {
    const carried = Math.min(edits, this.#loose)
    this.#loose -= carried
    this.#updatesSent += 1
    if (carried > 0) this.#updates.push({ number: this.#updatesSent, edits: carried })
  }

  /** A step 2 left: it carries everything. Answers the number to ask the gateway with whether it is durable. */
  sentStep2(): number {
    const number = this.query()
    if (this.#loose > 0) this.#queries.push({ number, edits: this.#loose })
    this.#loose = 0
    return number
  }

  /** The number of one more query. */
  query(): number {
    this.#queriesSent += 1
    return this.#queriesSent
  }

  confirmedUpdates(count: number): void {
    this.#updates = this.#updates.filter((message) => message.number > count)
  }

  confirmedQuery(number: number): void {
    this.#queries = this.#queries.filter((message) => message.number > number)
  }

  closed(): void {
    this.#loose = this.unsaved
    this.#updates = []
    this.#queries = []
    this.#updatesSent = 0
  }
}
