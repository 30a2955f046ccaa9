import { expect, test } from 'vitest'
import { ago } from './Ago'
import { colourOf, initials } from './Avatar'
import { sentence } from './Field'

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

test('what is wrong with a field is said as what it must be', () => {
  const check = (problem: string, text: string) => expect(sentence(problem)).toBe(text)
  check('is 1 to 80 visible characters', 'Must be 1 to 80 visible characters.')
  check('is an e-mail address of at most 254 bytes', 'Must be an e-mail address of at most 254 bytes.')
  check('is missing', 'Is missing.')
  check('is not known', 'Is not known.')
  check('must lie in the future', 'Must lie in the future.')
  check('nobody has an account with this address', 'Nobody has an account with this address.')
})
