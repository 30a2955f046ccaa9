import { MarkerType, type Node } from '@xyflow/react'
import { useMemo } from 'react'
import { useCell } from '../cell'
import { useAround } from '../context'
import { connectionName, nameOf } from '../model/names'
import type { EdgeView, NodeView, Point } from '../model/nodes'
import type { BoardEdge } from './ConnectionEdge'
import { handlesOf } from './handles'

export type BoardNode = Node<{ view: NodeView }>

/** The same data for the same view: what did not change is not drawn again. */
const dataOf = new WeakMap<EdgeView, { view: EdgeView }>()

function data(view: EdgeView): { view: EdgeView } {
  const made = dataOf.get(view) ?? { view }
  dataOf.set(view, made)
  return made
}

/** The node of a view as it was last made: what did not change is neither looked at nor drawn again. */
const nodeOf = new WeakMap<NodeView, BoardNode>()

function flowNode(view: NodeView, { x, y }: Point, selected: boolean, ariaLabel: string): BoardNode {
  const last = nodeOf.get(view)
  const same = last?.position.x === x && last.position.y === y && last.selected === selected
  if (same && last.ariaLabel === ariaLabel) return last
  const { id, type, width, height } = view
  const made: BoardNode = {
    id,
    type,
    position: { x, y },
    width,
    height,
    // Known before the canvas has looked: what is not seen need not be drawn for it.
    measured: { width, height },
    handles: handlesOf(view),
    selected,
    data: last?.data ?? { view },
    ariaLabel,
  }
  nodeOf.set(view, made)
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
      [...views.values()].map((view) =>
        flowNode(view, places.get(view.id) ?? view, selected.has(view.id), nameOf(view, containers)),
      ),
    [views, places, selected, containers],
  )
}

const ARROW = { type: MarkerType.ArrowClosed, width: 18, height: 18, color: 'var(--line-strong)' }
const CHOSEN_ARROW = { ...ARROW, width: 14, height: 14, color: 'var(--focus)' }

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
            markerEnd: selected.has(edge.id) ? CHOSEN_ARROW : ARROW,
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

/** The sides by which two boxes face each other, across the wider gap between them. */
export function facing(a: Box, b: Box): { sourceHandle: string; targetHandle: string } {
  const across = Math.max(b.x - (a.x + a.width), a.x - (b.x + b.width))
  const down = Math.max(b.y - (a.y + a.height), a.y - (b.y + b.height))
  if (across >= down) {
    const isRight = b.x + b.width / 2 >= a.x + a.width / 2
    return isRight ? { sourceHandle: 'right', targetHandle: 'left' } : { sourceHandle: 'left', targetHandle: 'right' }
  }
  const isBelow = b.y + b.height / 2 >= a.y + a.height / 2
  return isBelow ? { sourceHandle: 'bottom', targetHandle: 'top' } : { sourceHandle: 'top', targetHandle: 'bottom' }
}
