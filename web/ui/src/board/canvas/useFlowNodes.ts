import type { Node } from '@xyflow/react'
import { useMemo } from 'react'
import { useCell } from '../cell'
import { useAround } from '../context'
import { connectionName, nameOf } from '../model/names'
import type { EdgeView, NodeView } from '../model/nodes'
import type { BoardEdge } from './ConnectionEdge'

export type BoardNode = Node<{ view: NodeView }>

/** The same data for the same view: what did not change is not drawn again. */
const dataOf = new WeakMap<NodeView | EdgeView, { view: unknown }>()

function data<V extends NodeView | EdgeView>(view: V): { view: V } {
  const known = dataOf.get(view)
  if (known !== undefined) return known as { view: V }
  const made = { view }
  dataOf.set(view, made)
  return made
}

/** Nodes as the canvas takes them: from the document, where they are shown at the moment, with the own selection. */
export function useFlowNodes(selected: ReadonlySet<string>): BoardNode[] {
  const { open, workspace } = useAround()
  const views = useCell(open.board.nodes.views)
  const places = useCell(open.motion.places)
  const containers = useCell(workspace.containers)
  return useMemo(
    () =>
      [...views.values()].map((view) => {
        const { id, type, width, height } = view
        const { x, y } = places.get(id) ?? view
        return {
          id,
          type,
          position: { x, y },
          width,
          height,
          measured: { width, height },
          selected: selected.has(id),
          data: data(view),
          ariaLabel: nameOf(view, containers),
        }
      }),
    [views, places, selected, containers],
  )
}

/** Edges between nodes that are there. They leave at the sides that face each other. */
export function useFlowEdges(selected: ReadonlySet<string>): BoardEdge[] {
  const { open, workspace } = useAround()
  const edges = useCell(open.board.edges.views)
  const nodes = useCell(open.board.nodes.views)
  const places = useCell(open.motion.places)
  const containers = useCell(workspace.containers)
  return useMemo(
    () =>
      [...edges.values()].flatMap((edge) => {
        const [source, target] = [nodes.get(edge.source), nodes.get(edge.target)]
        if (source === undefined || target === undefined) return []
        const sides = facing({ ...source, ...places.get(source.id) }, { ...target, ...places.get(target.id) })
        return [
          {
            id: edge.id,
            source: edge.source,
            target: edge.target,
            ...sides,
            type: 'connection',
            selected: selected.has(edge.id),
            data: data(edge),
            ariaLabel: connectionName(edge, source, target, containers),
          },
        ]
      }),
    [edges, nodes, places, selected, containers],
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
