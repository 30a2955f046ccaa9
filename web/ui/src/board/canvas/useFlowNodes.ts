import type { Edge, Node } from '@xyflow/react'
import { useMemo } from 'react'
import { useCell } from '../cell'
import type { NodeView } from '../model/nodes'
import type { OpenBoard } from '../workspace'

export type BoardNode = Node<{ view: NodeView }>

/** The same data for the same view: what did not change is not drawn again. */
const dataOf = new WeakMap<NodeView, { view: NodeView }>()

function data(view: NodeView): { view: NodeView } {
  const known = dataOf.get(view)
  if (known !== undefined) return known
  const made = { view }
  dataOf.set(view, made)
  return made
}

const LABELS: Record<NodeView['type'], string> = {
  note: 'Note',
  code: 'Code document',
  container: 'Container',
  other: 'Something of a later version',
}

/** Nodes as the canvas takes them: from the document, where they are shown at the moment, with the own selection. */
export function useFlowNodes(open: OpenBoard, selected: ReadonlySet<string>): BoardNode[] {
  const views = useCell(open.board.nodes.views)
  const places = useCell(open.motion.places)
  return useMemo(
    () =>
      [...views.values()].map((view) => {
        const { id, type, width, height } = view
        const { x, y } = places.get(id) ?? view
        const title = 'title' in view && view.title !== '' ? `: ${view.title}` : ''
        return {
          id,
          type,
          position: { x, y },
          width,
          height,
          measured: { width, height },
          selected: selected.has(id),
          data: data(view),
          ariaLabel: LABELS[type] + title,
        }
      }),
    [views, places, selected],
  )
}

/** Edges between nodes that are there. They leave at the sides that face each other. */
export function useFlowEdges(open: OpenBoard, selected: ReadonlySet<string>): Edge[] {
  const edges = useCell(open.board.edges.views)
  const nodes = useCell(open.board.nodes.views)
  const places = useCell(open.motion.places)
  return useMemo(
    () =>
      [...edges.values()].flatMap((edge) => {
        const [source, target] = [nodes.get(edge.source), nodes.get(edge.target)]
        if (source === undefined || target === undefined) return []
        const sides = facing({ ...source, ...places.get(source.id) }, { ...target, ...places.get(target.id) })
        return [
          {
            ...edge,
            ...sides,
            selected: selected.has(edge.id),
            ariaLabel: 'Connection',
            type: 'default',
          },
        ]
      }),
    [edges, nodes, places, selected],
  )
}

interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** The sides by which two boxes are nearest to facing each other. */
export function facing(a: Box, b: Box): { sourceHandle: string; targetHandle: string } {
  const dx = b.x + b.width / 2 - (a.x + a.width / 2)
  const dy = b.y + b.height / 2 - (a.y + a.height / 2)
  if (Math.abs(dx) >= Math.abs(dy)) {
    return dx >= 0 ? { sourceHandle: 'right', targetHandle: 'left' } : { sourceHandle: 'left', targetHandle: 'right' }
  }
  return dy >= 0 ? { sourceHandle: 'bottom', targetHandle: 'top' } : { sourceHandle: 'top', targetHandle: 'bottom' }
}
