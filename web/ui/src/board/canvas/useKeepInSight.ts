import { useReactFlow } from '@xyflow/react'
import { useEffect } from 'react'
import { useAround, type Panel } from '../context'
import type { NodeView } from '../model/nodes'
import { calmly } from './calmly'

/** What is open beside the board stays in sight on it, though the panel takes room from the board. */
export function useKeepInSight(): void {
  const { panel, open } = useAround()
  const flow = useReactFlow()
  useEffect(() => {
    const node = panel && nodeOf(panel, [...open.board.nodes.views.get().values()])
    const board = document.querySelector('.react-flow')
    if (node === undefined || node === null || board === null) return
    const look = () => {
      const seen = board.getBoundingClientRect()
      const first = flow.flowToScreenPosition(node)
      const last = flow.flowToScreenPosition({ x: node.x + node.width, y: node.y + node.height })
      if (first.x >= seen.left && first.y >= seen.top && last.x <= seen.right && last.y <= seen.bottom) return
      const middle = { x: node.x + node.width / 2, y: node.y + node.height / 2 }
      void flow.setCenter(middle.x, middle.y, { ...calmly(), zoom: flow.getZoom() })
    }
    // The canvas learns of its new width in the next frame, and acts on it in the one after.
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(look)
    })
    return () => cancelAnimationFrame(frame)
  }, [panel, open, flow])
}

function nodeOf(panel: NonNullable<Panel>, nodes: readonly NodeView[]): NodeView | undefined {
  switch (panel.kind) {
    case 'code':
      return nodes.find(({ id }) => id === panel.node)
    case 'container':
      return nodes.find((node) => node.type === 'container' && node.container === panel.id)
    case 'new-container':
      return undefined
  }
}
