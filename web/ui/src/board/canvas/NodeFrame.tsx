import { Handle, NodeResizer, Position } from '@xyflow/react'
import type { CSSProperties, ReactNode } from 'react'
import { classes } from '../../design/classes'
import { useCell } from '../cell'
import { useAround } from '../context'
import type { NodeView } from '../model/nodes'
import styles from './NodeFrame.module.css'

interface NodeFrameProps {
  node: NodeView
  selected: boolean
  /** Whose height is up to who made it. */
  resizable?: boolean
  className?: string | undefined
  children: ReactNode
}

const SIDES = [
  ['left', Position.Left],
  ['right', Position.Right],
  ['top', Position.Top],
  ['bottom', Position.Bottom],
] as const

/** What all nodes have: who has them selected, handles for edges, and a way to size them. */
export function NodeFrame({ node, selected, resizable = false, className, children }: NodeFrameProps) {
  const { open, mayWrite } = useAround()
  const people = useCell(open.people.others)
  const holder = people.find((person) => person.selected.includes(node.id))
  const style = holder === undefined ? undefined : ({ '--person': holder.color } as CSSProperties)
  return (
    <div className={classes(styles.frame, className, selected && styles.selected, holder && styles.held)} style={style}>
      {holder !== undefined && <span className={styles.holder}>{holder.name}</span>}
      {resizable && mayWrite && (
        <NodeResizer
          isVisible={selected}
          minWidth={140}
          minHeight={80}
          maxWidth={1600}
          maxHeight={1600}
          lineClassName={styles.line ?? ''}
          handleClassName={styles.corner ?? ''}
          onResizeStart={() => open.board.step()}
          onResizeEnd={() => open.board.step()}
        />
      )}
      {children}
      {SIDES.map(([id, position]) => (
        <Handle
          key={id}
          id={id}
          type="source"
          position={position}
          isConnectable={mayWrite}
          className={classes(styles.handle, !mayWrite && styles.fixed)}
          tabIndex={-1}
          aria-hidden="true"
        />
      ))}
    </div>
  )
}
