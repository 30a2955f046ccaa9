import { expect, test } from 'vitest'
import { nextChange, OFFLINE_MS, QUIET_MS, statusOf, type Facts } from './status'

const live: Facts = {
  ended: null,
  online: true,
  inStep: true,
  everInStep: true,
  lostAt: null,
  unsaved: 0,
  tooLarge: [],
  everSaved: false,
}
const lost = { ...live, inStep: false, lostAt: 1_000 }

function check(facts: Facts, now: number, kind: string): void {
  expect(statusOf(facts, now).kind).toBe(kind)
}

test('opening, editing, saving', () => {
  check({ ...lost, everInStep: false }, 1_000, 'connecting')
  check({ ...lost, everInStep: false }, 1_000 + QUIET_MS, 'connecting')
  check(live, 0, 'live')
  check({ ...live, unsaved: 2 }, 0, 'saving')
  check({ ...live, everSaved: true }, 0, 'saved')
})

test('a hot swap goes without a word, unless it takes long', () => {
  check({ ...lost, everSaved: true }, 1_000 + QUIET_MS - 1, 'saved')
  check({ ...lost, unsaved: 1 }, 1_000, 'saving')
  check(lost, 1_000 + QUIET_MS, 'reconnecting')
  check(lost, 1_000 + OFFLINE_MS, 'offline')
  expect(nextChange(lost, 1_000)).toBe(1_000 + QUIET_MS)
  expect(nextChange(lost, 1_000 + QUIET_MS)).toBe(1_000 + OFFLINE_MS)
  expect(nextChange(lost, 1_000 + OFFLINE_MS)).toBeNull()
  expect(nextChange(live, 0)).toBeNull()
})

test('without a network one is offline at once, with what is unsaved', () => {
  expect(statusOf({ ...lost, online: false, unsaved: 3 }, 1_000)).toEqual({ kind: 'offline', unsaved: 3 })
})

test('what is too large is neither being saved nor out of reach, however long it stands', () => {
  const stuck = { kind: 'stuck', documents: ['board'], unsaved: 2 }
  for (const facts of [live, lost, { ...lost, online: false }]) {
    const now = { ...facts, tooLarge: ['board'], unsaved: 2 }
    expect(statusOf(now, 1_000 + OFFLINE_MS)).toEqual(stuck)
    expect(nextChange(now, 1_000)).toBeNull()
  }
})

test('an end is an end', () => {
  expect(statusOf({ ...lost, ended: 'gone', unsaved: 3 }, 1_000)).toEqual({ kind: 'ended', why: 'gone' })
})
