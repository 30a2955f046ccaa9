import { useReactFlow } from '@xyflow/react'
import { useEffect, useMemo, type PointerEvent } from 'react'
import { useAround } from '../context'
import { throttle } from '../model/motion'
import type { Point } from '../model/nodes'

/** How often others learn where one points at. */
const POINT_EVERY_MS = 50

/** Shows others where the pointer is, in the board's own coordinates. */
export function usePointer() {
  const { awareness } = useAround().open.replica
  const { screenToFlowPosition } = useReactFlow()
  const point = useMemo(
    () => throttle(POINT_EVERY_MS, (at: Point | null) => awareness.setLocalStateField('pointer', at)),
    [awareness],
  )
  useEffect(() => () => point.cancel(), [point])
  const round = ({ x, y }: Point) => ({ x: Math.round(x), y: Math.round(y) })
  return {
    onPointerMove: (event: PointerEvent) => {
      if (event.pointerType === 'mouse') point(round(screenToFlowPosition({ x: event.clientX, y: event.clientY })))
    },
    onPointerLeave: () => point(null),
  }
}
