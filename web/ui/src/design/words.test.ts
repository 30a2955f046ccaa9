import { expect, test } from 'vitest'
import { ago } from './Ago'
import { colourOf, initials } from './Avatar'

test('how long ago a moment was', () => {
  const now = Date.parse('2026-03-01T12:00:00Z')
  const check = (iso: string, text: string) => expect(ago(iso, now), iso).toBe(text)
  check('2026-03-01T11:59:55Z', 'just now')
  check('2026-03-01T11:59:30Z', '30 seconds ago')
  check('2026-03-01T11:58:59Z', '1 minute ago')
  check('2026-03-01T09:00:00Z', '3 hours ago')
  check('2026-02-28T12:00:00Z', 'yesterday')
  check('2026-02-15T12:00:00Z', '2 weeks ago')
  check('2024-03-01T12:00:00Z', '2 years ago')
})

test('initials of names as people have them', () => {
  const check = (name: string, letters: string) => expect(initials(name), name).toBe(letters)
  check('Ada Lovelace', 'AL')
  check('ada', 'A')
  check('Mary Fairfax Somerville', 'MS')
  check('  Plato ', 'P')
  check('李 清照', '李清')
  check('👩‍🚀 Valentina', '👩V')
  check('', '?')
})

test('somebody has one colour, whoever else is there', () => {
  const seeds = Array.from({ length: 200 }, (_, at) => `018f4c1e-2b7a-7c3d-9e4f-${at}`)
  expect(seeds.map(colourOf)).toEqual(seeds.map(colourOf))
  expect(new Set(seeds.map(colourOf)).size).toBeGreaterThan(5)
})
