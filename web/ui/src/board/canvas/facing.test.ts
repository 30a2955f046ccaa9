import { expect, test } from 'vitest'
import { facing } from './useFlowNodes'

const box = (x: number, y: number) => ({ x, y, width: 200, height: 100 })

test('a connection leaves at the side that faces the other end, across the wider gap', () => {
  const from = (x: number, y: number) => Object.values(facing(box(0, 0), box(x, y)))
  expect(from(400, 20)).toEqual(['right', 'left'])
  expect(from(-400, 20)).toEqual(['left', 'right'])
  expect(from(20, 300)).toEqual(['bottom', 'top'])
  expect(from(20, -300)).toEqual(['top', 'bottom'])
  // Farther to the side by their middles, and yet nearly above each other.
  expect(from(202, 180)).toEqual(['bottom', 'top'])
  // One on top of the other.
  expect(from(30, 10)).toEqual(['bottom', 'top'])
})
