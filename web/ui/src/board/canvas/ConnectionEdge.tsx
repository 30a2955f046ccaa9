import { BaseEdge, EdgeLabelRenderer, getBezierPath, type Edge, type EdgeProps } from '@xyflow/react'
import { memo, type KeyboardEvent } from 'react'
import { classes } from '../../design/classes'
import { useAround } from '../context'
import type { EdgeView } from '../model/nodes'
import { TitleField } from '../page/TitleField'
import styles from './ConnectionEdge.module.css'

export type BoardEdge = Edge<{ view: EdgeView }>

/** A connection with what it says. One that says nothing asks for it while it is selected. */
export const ConnectionEdge = memo(function ConnectionEdge(props: EdgeProps<BoardEdge>) {
  const { id, data, selected = false, markerEnd } = props
  const { open, mayWrite } = useAround()
  const [path, x, y] = getBezierPath(props)
  const label = data?.view.label ?? ''
  return (
    <>
      <BaseEdge path={path} interactionWidth={24} {...(markerEnd !== undefined && { markerEnd })} />
      {(label !== '' || (selected && mayWrite)) && (
        <EdgeLabelRenderer>
          <div
            className={classes(styles.label, selected && styles.selected, 'nodrag', 'nopan')}
            style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
            data-label-of={id}
            onKeyDown={(event) => giveBack(event, id)}
          >
            <TitleField
              value={label}
              placeholder="Label"
              label="Label of the connection"
              editable={mayWrite}
              onChange={(label) => open.board.label(id, label)}
            />
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  )
})

/** Puts the focus into the label of a connection that has just been selected. */
export function focusLabel(edge: string): void {
  requestAnimationFrame(() =>
    document.querySelector<HTMLElement>(`[data-label-of="${CSS.escape(edge)}"] input`)?.focus(),
  )
}

/** After the label the focus is on its connection again. Keys in the label are none of the connection's. */
function giveBack(event: KeyboardEvent, edge: string): void {
  event.stopPropagation()
  if (event.key !== 'Enter' && event.key !== 'Escape') return
  // A frame later, when the field has taken the key.
  requestAnimationFrame(() =>
    document.querySelector<SVGElement>(`.react-flow__edge[data-id="${CSS.escape(edge)}"]`)?.focus(),
  )
}
