import { Position, type NodeHandle } from '@xyflow/react'

/** The sides of a node, each with a handle in its middle: connections begin and end there. */
export const SIDES = [
  ['left', Position.Left],
  ['right', Position.Right],
  ['top', Position.Top],
  ['bottom', Position.Bottom],
] as const

/** As large as in the style sheet. */
const SIZE = 1

/** Where the handles of a node are, before anybody has looked. */
export function handlesOf({ width, height }: { width: number; height: number }): NodeHandle[] {
  const middle = { left: [0, 0.5], right: [1, 0.5], top: [0.5, 0], bottom: [0.5, 1] } as const
  return SIDES.map(([id, position]) => ({
    id,
    type: 'source',
    position,
    x: width * middle[id][0] - SIZE / 2,
    y: height * middle[id][1] - SIZE / 2,
    width: SIZE,
    height: SIZE,
  }))
}
