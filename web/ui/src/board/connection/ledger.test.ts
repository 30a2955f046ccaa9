import { describe, expect, test } from 'vitest'
import { Ledger } from './ledger'

describe('what is saved', () => {
  test('each edit is unsaved until its message is confirmed', () => {
    const ledger = new Ledger()
    for (let edit = 0; edit < 3; edit += 1) {
      ledger.edited()
      ledger.sentUpdate(1)
    }
    expect(ledger.unsaved).toBe(3)
    ledger.confirmedUpdates(2)
    expect(ledger.unsaved).toBe(1)
    ledger.confirmedUpdates(3)
    expect(ledger.unsaved).toBe(0)
  })

  test('what only passes through counts as a message, not as an edit', () => {
    const ledger = new Ledger()
    ledger.sentUpdate(0)
    ledger.edited()
    ledger.sentUpdate(1)
    ledger.confirmedUpdates(1)
    expect(ledger.unsaved).toBe(1)
    ledger.confirmedUpdates(2)
    expect(ledger.unsaved).toBe(0)
  })

  test('a connection that ends takes what it carried with it, and the next step 2 brings it', () => {
    const ledger = new Ledger()
    ledger.edited()
    ledger.sentUpdate(1)
    ledger.closed()
    ledger.edited()
    expect(ledger.unsaved).toBe(2)
    // Typed between the opening of the socket and the answer to the gateway's step 1.
    ledger.edited()
    ledger.sentUpdate(1)
    const query = ledger.sentStep2()
    ledger.confirmedUpdates(1)
    expect(ledger.unsaved).toBe(2)
    ledger.confirmedQuery(query)
    expect(ledger.unsaved).toBe(0)
  })

  test('counts of an earlier connection confirm nothing of a later one', () => {
    const ledger = new Ledger()
    ledger.edited()
    ledger.sentUpdate(1)
    ledger.confirmedUpdates(1)
    ledger.closed()
    ledger.edited()
    ledger.sentUpdate(1)
    expect(ledger.unsaved).toBe(1)
    ledger.confirmedUpdates(1)
    expect(ledger.unsaved).toBe(0)
  })
})
