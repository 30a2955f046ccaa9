import type { Point } from './nodes'

interface Box extends Point {
  width: number
  height: number
}

const GAP = 24
/** Rings around the middle that are tried before things are put on top of each other. */
const RINGS = 6

/** A free place for something of this size, as near to `middle` as there is one. */
export function freePlace(middle: Point, size: { width: number; height: number }, taken: readonly Box[]): Point {
  const first = { x: Math.round(middle.x - size.width / 2), y: Math.round(middle.y - size.height / 2) }
  const free = ({ x, y }: Point) =>
    !taken.some(
      (box) =>
        x < box.x + box.width + GAP / 2 &&
        box.x < x + size.width + GAP / 2 &&
        y < box.y + box.height + GAP / 2 &&
        box.y < y + size.height + GAP / 2,
    )
  const [stepX, stepY] = [size.width + GAP, size.height + GAP]
  for (let ring = 0; ring <= RINGS; ring += 1) {
    const found = around(ring)
      .map(([column, row]) => ({ x: first.x + column * stepX, y: first.y + row * stepY }))
      .find(free)
    if (found !== undefined) return found
  }
  return { x: first.x + GAP, y: first.y + GAP }
}

/** Fields of a grid on the square at this distance from its middle, those beside and below first. */
function around(ring: number): [number, number][] {
  const fields: [number, number][] = []
  for (let column = -ring; column <= ring; column += 1) {
    for (let row = -ring; row <= ring; row += 1) {
      if (Math.max(Math.abs(column), Math.abs(row)) === ring) fields.push([column, row])
    }
  }
  const cost = ([column, row]: [number, number]) =>
    Math.hypot(column, row) + (column < 0 ? 0.2 : 0) + (row < 0 ? 0.1 : 0)
  return fields.sort((a, b) => cost(a) - cost(b))
}
