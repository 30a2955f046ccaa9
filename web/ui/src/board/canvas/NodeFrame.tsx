import { Handle, NodeResizer, useConnection, type Position } from '@xyflow/react'
import { useState, type CSSProperties, type ReactNode } from 'react'
import { classes } from '../../design/classes'
import { useCell } from '../cell'
import { useAround } from '../context'
import { NOTE_SIZES, type NodeView } from '../model/nodes'
import { SIDES } from './handles'
import styles from './NodeFrame.module.css'

interface NodeFrameProps {
  node: NodeView
  selected: boolean
  /** Whose height is up to who made it. */
  resizable?: boolean
  className?: string | undefined
  children: ReactNode
}

/** What all nodes have: who has them selected, handles for edges, and a way to size them. */
export function NodeFrame({ node, selected, resizable = false, className, children }: NodeFrameProps) {
  const { open, mayWrite } = useAround()
  const people = useCell(open.people.others)
  const [near, setNear] = useState(false)
  // Four for each node are many: they listen only where a hand may take them.
  const connecting = useConnection(({ inProgress }) => inProgress)
  const holder = people.find((person) => person.selected.includes(node.id))
  const style = holder === undefined ? undefined : ({ '--person': holder.color } as CSSProperties)
  return (
    <div
      // Keys are the canvas' while the node itself has the focus, and not whatever is in it.
      className={classes(styles.frame, 'nokey', className, selected && styles.selected, holder && styles.held)}
      style={style}
      onPointerEnter={() => setNear(true)}
      onPointerLeave={() => setNear(false)}
    >
      {holder !== undefined && <span className={styles.holder}>{holder.name}</span>}
      {resizable && mayWrite && (
        <NodeResizer
          isVisible={selected}
          minWidth={NOTE_SIZES.least.width}
          minHeight={NOTE_SIZES.least.height}
          maxWidth={NOTE_SIZES.most.width}
          maxHeight={NOTE_SIZES.most.height}
          lineClassName={styles.line ?? ''}
          handleClassName={styles.corner ?? ''}
          onResizeStart={() => open.board.step()}
          onResizeEnd={() => open.board.step()}
        />
      )}
      {children}
      {SIDES.map(([id, position]) =>
        mayWrite && (near || selected || connecting) ? (
          <Handle
            key={id}
            id={id}
            type="source"
            position={position}
            className={styles.handle ?? ''}
            tabIndex={-1}
            aria-hidden="true"
          />
        ) : (
          <StillHandle key={id} id={id} position={position} />
        ),
      )}
    </div>
  )
}

/** Where a connection ends, for the canvas to find: nothing that can be taken. */
function StillHandle({ id, position }: { id: string; position: Position }) {
  return (
    <div
      className={classes('source', 'react-flow__handle', `react-flow__handle-${position}`, styles.handle)}
      data-handleid={id}
      data-handlepos={position}
      aria-hidden="true"
    />
  )
}
