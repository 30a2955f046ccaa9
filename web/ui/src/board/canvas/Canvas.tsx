import '@xyflow/react/dist/style.css'
import {
  Background,
  BackgroundVariant,
  ConnectionMode,
  ReactFlow,
  SelectionMode,
  useReactFlow,
  type Connection,
  type EdgeChange,
  type NodeChange,
  type NodeTypes,
} from '@xyflow/react'
import { useCallback, useEffect, useMemo, useState, type PointerEvent, type ReactNode } from 'react'
import { useTheme } from '../../design'
import { CardNode } from '../container/ContainerCard'
import { useAround } from '../context'
import { throttle } from '../model/motion'
import type { Point } from '../model/nodes'
import styles from './Canvas.module.css'
import { CodeNode, OtherNode } from './CodeNode'
import { Hand } from './hand'
import { NoteNode } from './NoteNode'
import { Pointers } from './Pointers'
import { Toolbar } from './Toolbar'
import { useFlowEdges, useFlowNodes, type BoardNode } from './useFlowNodes'

const NODE_TYPES = {
  note: NoteNode,
  code: CodeNode,
  container: CardNode,
  other: OtherNode,
} as unknown as NodeTypes

/** How often others learn where one points at. */
const POINT_EVERY_MS = 50
const FIT = { padding: 0.15, maxZoom: 1 }

/** The board as a plane. */
export function Canvas({ children }: { children?: ReactNode }) {
  const { open, mayWrite, askRemove } = useAround()
  const theme = useTheme()
  const [selection, select] = useSelection()
  const nodes = useFlowNodes(open, selection)
  const edges = useFlowEdges(open, selection)
  const hand = useMemo(() => new Hand(open), [open])
  const onNodesChange = useCallback(
    (changes: NodeChange<BoardNode>[]) => {
      for (const change of changes) if (change.type === 'select') select(change.id, change.selected)
      if (mayWrite) hand.take(changes)
    },
    [hand, mayWrite, select],
  )
  const onEdgesChange = useCallback(
    (changes: EdgeChange[]) => {
      for (const change of changes) if (change.type === 'select') select(change.id, change.selected)
    },
    [select],
  )
  useShownSelection(selection)
  const pointer = usePointer()
  const connect = ({ source, target }: Connection) => void open.board.connect(source, target)
  return (
    <div className={styles.canvas} {...pointer}>
      <ReactFlow<BoardNode>
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        colorMode={theme}
        onNodesChange={onNodesChange}
        onEdgesChange={onEdgesChange}
        onNodeDragStart={() => open.board.step()}
        onConnect={connect}
        onBeforeDelete={({ nodes, edges }) => {
          if (mayWrite && nodes.length + edges.length > 0) {
            askRemove(
              nodes.map((node) => node.id),
              edges.map((edge) => edge.id),
            )
          }
          return Promise.resolve(false)
        }}
        deleteKeyCode={mayWrite ? ['Delete', 'Backspace'] : null}
        connectionMode={ConnectionMode.Loose}
        connectionRadius={30}
        selectionMode={SelectionMode.Partial}
        nodesDraggable={mayWrite}
        nodesConnectable={mayWrite}
        edgesFocusable
        onlyRenderVisibleElements
        zoomOnDoubleClick={false}
        minZoom={0.15}
        maxZoom={2}
        fitView
        fitViewOptions={FIT}
        aria-label="Board"
      >
        <Background variant={BackgroundVariant.Dots} gap={24} size={1.6} />
        <Pointers />
        <FitOnce count={nodes.length} />
        <Toolbar />
        {children}
      </ReactFlow>
    </div>
  )
}

/** Shows everything once, as soon as there is something. */
function FitOnce({ count }: { count: number }) {
  const { fitView } = useReactFlow()
  const [fitted, setFitted] = useState(false)
  useEffect(() => {
    if (fitted || count === 0) return
    const frame = requestAnimationFrame(() => {
      setFitted(true)
      void fitView(FIT)
    })
    return () => cancelAnimationFrame(frame)
  }, [fitted, count, fitView])
  return null
}

function useSelection() {
  const [selection, setSelection] = useState<ReadonlySet<string>>(new Set())
  const select = useCallback((id: string, selected: boolean) => {
    setSelection((before) => {
      if (before.has(id) === selected) return before
      const after = new Set(before)
      if (selected) after.add(id)
      else after.delete(id)
      return after
    })
  }, [])
  return [selection, select] as const
}

/** Shows others what is selected here. */
function useShownSelection(selection: ReadonlySet<string>): void {
  const { awareness } = useAround().open.replica
  useEffect(() => awareness.setLocalStateField('selected', [...selection]), [awareness, selection])
}

/** Shows others where the pointer is, in the board's own coordinates. */
function usePointer() {
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
