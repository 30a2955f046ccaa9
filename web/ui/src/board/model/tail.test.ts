import { expect, test } from 'vitest'
import type { LogLine } from '../connection/logs'
import { keepLast, LETTERS_MAX, LINES_MAX, rowsAround } from './tail'

const lines = (from: number, to: number, text = 'x') =>
  Array.from({ length: to - from }, (_, at) => ({ number: from + at, text, stream: null }))

test('of many lines the last are kept, in order', () => {
  let kept: readonly LogLine[] = []
  for (let at = 0; at < 3 * LINES_MAX; at += 777) kept = keepLast(kept, lines(at, at + 777))
  expect(kept).toHaveLength(LINES_MAX)
  const first = kept[0]?.number ?? NaN
  expect(kept.map(({ number }) => number)).toEqual(Array.from({ length: LINES_MAX }, (_, at) => first + at))
})

test('of long lines fewer are kept, but never none', () => {
  const long = 'x'.repeat(LETTERS_MAX / 10)
  expect(keepLast(lines(0, 8, long), lines(8, 16, long)).map(({ number }) => number)).toEqual(
    Array.from({ length: 10 }, (_, at) => 6 + at),
  )
  expect(keepLast(lines(0, 5), lines(5, 6, 'x'.repeat(2 * LETTERS_MAX))).map(({ number }) => number)).toEqual([5])
  expect(keepLast([], [])).toEqual([])
})

test('however many rows there are, those around what is seen are drawn', () => {
  expect(rowsAround(0, 600, 20, 20)).toEqual({ first: 0, count: 70 })
  expect(rowsAround(100_000, 600, 20, 20)).toEqual({ first: 4_980, count: 70 })
})
