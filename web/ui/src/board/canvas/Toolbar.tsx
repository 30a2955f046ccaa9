import { Panel as FlowPanel, useReactFlow } from '@xyflow/react'
import type { ReactNode } from 'react'
import { useAround } from '../context'
import { Glyph, type GlyphName } from '../Glyph'
import { SIZES } from '../model/nodes'
import { focusNote, prepareNotes } from './NoteNode'
import styles from './Toolbar.module.css'
import { usePlace } from './usePlace'
import { useUndo } from './useUndo'

/** What can be put on the board, undo, and how much of it is shown. */
export function Toolbar() {
  const { open, mayWrite, show } = useAround()
  const flow = useReactFlow()
  const undo = useUndo(open, mayWrite)
  const place = usePlace(open)
  const addNote = () => focusNote(open.board.addNote(place(SIZES.note)))
  const addCode = () => {
    const node = open.board.addCode(place(SIZES.code), '', 'python')
    show({ kind: 'code', node })
  }
  const zoom = {
    duration: matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 200,
  }
  return (
    <FlowPanel position="bottom-center" className={styles.around ?? ''}>
      <div role="toolbar" aria-label="Board" className={styles.toolbar}>
        {mayWrite && (
          <>
            <Tool glyph="note" label="Note" onClick={addNote} onPointerEnter={prepareNotes}>
              Note
            </Tool>
            <Tool glyph="code" label="Code document" onClick={addCode}>
              Code
            </Tool>
            <Tool glyph="container" label="New container" onClick={() => show({ kind: 'new-container' })}>
              Container
            </Tool>
            <span className={styles.rule} />
            <Tool glyph="undo" label="Undo (Ctrl Z)" disabled={!undo.can.undo} onClick={undo.undo} />
            <Tool glyph="redo" label="Redo (Ctrl Shift Z)" disabled={!undo.can.redo} onClick={undo.redo} />
            <span className={styles.rule} />
          </>
        )}
        <Tool glyph="minus" label="Zoom out" onClick={() => void flow.zoomOut(zoom)} />
        <Tool glyph="plus" label="Zoom in" onClick={() => void flow.zoomIn(zoom)} />
        <Tool
          glyph="fit"
          label="Show everything"
          onClick={() => void flow.fitView({ ...zoom, padding: 0.15, maxZoom: 1 })}
        />
      </div>
    </FlowPanel>
  )
}

interface ToolProps {
  glyph: GlyphName
  label: string
  disabled?: boolean
  onClick: () => void
  onPointerEnter?: () => void
  children?: ReactNode
}

function Tool({ glyph, label, disabled = false, onClick, onPointerEnter, children }: ToolProps) {
  return (
    <button
      type="button"
      className={styles.tool}
      aria-label={label}
      title={label}
      aria-disabled={disabled}
      onClick={disabled ? undefined : onClick}
      onPointerEnter={onPointerEnter}
    >
      <Glyph name={glyph} />
      {children !== undefined && <span className={styles.word}>{children}</span>}
    </button>
  )
}
