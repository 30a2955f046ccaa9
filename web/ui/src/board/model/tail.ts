import type { LogLine } from '../connection/logs'

/** Older lines are dropped: the browser is no archive. */
export const LINES_MAX = 10_000
/** Long lines count: so many letters are kept of all together. */
export const LETTERS_MAX = 4_000_000

/** The last of these lines and those that came since. */
export function keepLast(lines: readonly LogLine[], fresh: readonly LogLine[]): readonly LogLine[] {
  const all = [...lines, ...fresh].slice(-LINES_MAX)
  let [first, letters] = [all.length, 0]
  // The very last line is kept however long it is.
  while (first > 0) {
    letters += all[first - 1]?.text.length ?? 0
    if (letters > LETTERS_MAX && first < all.length) break
    first -= 1
  }
  return first === 0 ? all : all.slice(first)
}

/** Which rows of a list of equal heights are drawn: those that are seen, and some above and below. */
export function rowsAround(top: number, height: number, row: number, margin: number): { first: number; count: number } {
  const first = Math.max(0, Math.floor(top / row) - margin)
  return { first, count: Math.ceil(height / row) + 2 * margin }
}
