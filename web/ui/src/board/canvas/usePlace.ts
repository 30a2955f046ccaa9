import { useReactFlow } from '@xyflow/react'
import type { Point } from '../model/nodes'
import type { OpenBoard } from '../workspace'

const STEP = 28

/** The middle of what is seen; beside it, if something begins just there. */
export function usePlace(open: OpenBoard): (size: { width: number; height: number }) => Point {
  const { screenToFlowPosition } = useReactFlow()
  return ({ width, height }) => {
    const box = document.querySelector('.react-flow')?.getBoundingClientRect()
    const middle = {
      x: (box?.left ?? 0) + (box?.width ?? 0) / 2,
      y: (box?.top ?? 0) + (box?.height ?? 0) / 2,
    }
    const at = screenToFlowPosition(middle)
    const nodes = [...open.board.nodes.views.get().values()]
    let [x, y] = [Math.round(at.x - width / 2), Math.round(at.y - height / 2)]
    while (nodes.some((node) => Math.abs(node.x - x) < STEP / 2 && Math.abs(node.y - y) < STEP / 2)) {
      x += STEP
      y += STEP
    }
    return { x, y }
  }
}
