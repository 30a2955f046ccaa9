import '@xyflow/react/dist/style.css'
import {
  Background,
  BackgroundVariant,
  ConnectionMode,
  ReactFlow,
  SelectionMode,
  useReactFlow,
  type AriaLabelConfig,
  type Connection,
  type EdgeChange,
  type EdgeTypes,
  type NodeChange,
  type NodeTypes,
} from '@xyflow/react'
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'
import { useTheme } from '../../design'
import { CardNode } from '../container/ContainerCard'
import { useAround } from '../context'
import styles from './Canvas.module.css'
import { CodeNode, OtherNode } from './CodeNode'
import { ConnectDialog } from './ConnectDialog'
import { ConnectionEdge, type BoardEdge } from './ConnectionEdge'
import { Hand } from './hand'
import { KeysDialog } from './KeysDialog'
import { NoteNode } from './NoteNode'
import { Pointers } from './Pointers'
import { Toolbar } from './Toolbar'
import { useEditorSoon } from '../text/useEditorSoon'
import { useBoardKeys, type Ask } from './useBoardKeys'
import { useFlowEdges, useFlowNodes, type BoardNode } from './useFlowNodes'
import { useKeepInSight } from './useKeepInSight'
import { usePointer } from './usePointer'
import { useSelection } from './useSelection'

const NODE_TYPES = {
  note: NoteNode,
  code: CodeNode,
  container: CardNode,
  other: OtherNode,
} as unknown as NodeTypes
const EDGE_TYPES = { connection: ConnectionEdge } as unknown as EdgeTypes

/** What readers of the screen say of whatever has the focus. */
function descriptions(node: string, edge: string): Partial<AriaLabelConfig> {
  return {
    // Whatever its name says, it is this one that is said while keys work.
    'node.a11yDescription.keyboardDisabled': node,
    'node.a11yDescription.default': node,
    'node.a11yDescription.ariaLiveMessage': ({ direction, x, y }) => `Moved ${direction}, to ${x}, ${y}`,
    'edge.a11yDescription.default': edge,
  }
}

const READING = descriptions('Enter selects it, and opens it then.', 'Enter selects it.')
const WRITING = descriptions(
  'Enter selects it, and opens it then. Arrow keys move it, plus and minus size a note, C connects it, Delete removes it.',
  'Enter selects it and writes its label. Delete removes it.',
)

const FIT = { padding: 0.15, maxZoom: 1 }

/** The board as a plane. */
export function Canvas({ children }: { children?: ReactNode }) {
  const { open, mayWrite, askRemove } = useAround()
  const theme = useTheme()
  const [selection, select] = useSelection()
  const [asked, ask] = useState<Ask | null>(null)
  const nodes = useFlowNodes(selection)
  const edges = useFlowEdges(selection)
  const hand = useMemo(() => new Hand(open), [open])
  const onNodesChange = useCallback(
    (changes: NodeChange<BoardNode>[]) => {
      for (const change of changes) if (change.type === 'select') select(change.id, change.selected)
      if (mayWrite) hand.take(changes)
    },
    [hand, mayWrite, select],
  )
  const onEdgesChange = useCallback(
    (changes: EdgeChange<BoardEdge>[]) => {
      for (const change of changes) if (change.type === 'select') select(change.id, change.selected)
    },
    [select],
  )
  useKeepInSight()
  useEditorSoon()
  const pointer = usePointer()
  const onKeyDown = useBoardKeys(selection, ask)
  const connect = ({ source, target }: Connection) => void open.board.connect(source, target)
  const chosen = nodes.filter(({ id }) => selection.has(id))
  return (
    <div className={styles.canvas} {...pointer} onKeyDown={onKeyDown}>
      {/* Before the board itself, as Tab goes: what is on it may be a lot. */}
      <Toolbar selected={chosen.length === 1 ? (chosen[0]?.id ?? null) : null} onAsk={ask} />
      <ReactFlow<BoardNode, BoardEdge>
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        ariaLabelConfig={mayWrite ? WRITING : READING}
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
        // The hand moves the board without it, and the canvas would take spaces out of texts that are typed with Shift held.
        panActivationKeyCode={null}
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
        {children}
      </ReactFlow>
      {asked?.kind === 'connect' && <ConnectDialog from={asked.from} onClose={() => ask(null)} />}
      {asked?.kind === 'keys' && <KeysDialog onClose={() => ask(null)} />}
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
