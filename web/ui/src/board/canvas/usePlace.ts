import { useReactFlow } from '@xyflow/react'
import type { Point } from '../model/nodes'
import { freePlace } from '../model/place'
import type { OpenBoard } from '../workspace'

/** Finds a free place near the middle of what is seen of the board. */
export function usePlace(open: OpenBoard): (size: { width: number; height: number }) => Point {
  const { screenToFlowPosition } = useReactFlow()
  return (size) => {
    const seen = document.querySelector('.react-flow')?.getBoundingClientRect() ?? new DOMRect()
    const middle = screenToFlowPosition({ x: seen.left + seen.width / 2, y: seen.top + seen.height / 2 })
    return freePlace(middle, size, [...open.board.nodes.views.get().values()])
  }
}
