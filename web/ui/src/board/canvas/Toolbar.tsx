import { useReactFlow } from '@xyflow/react'
import type { ReactNode } from 'react'
import { classes } from '../../design/classes'
import { useAround } from '../context'
import { Glyph, type GlyphName } from '../Glyph'
import { prepareEditor } from '../text/NoteText'
import { calmly } from './calmly'
import styles from './Toolbar.module.css'
import { useAdding } from './useAdding'
import type { Ask } from './useBoardKeys'
import { useUndo } from './useUndo'

interface ToolbarProps {
  /** The one thing that is selected; null if none is, or several. */
  selected: string | null
  onAsk: (ask: Ask) => void
}

/** What can be put on the board, undo, and how much of it is shown. */
export function Toolbar({ selected, onAsk }: ToolbarProps) {
  const flow = useReactFlow()
  const { mayWrite } = useAround()
  return (
    <div className={styles.around}>
      <div role="toolbar" aria-label="Board" className={styles.toolbar}>
        {mayWrite && <Writing selected={selected} onAsk={onAsk} />}
        <Tool glyph="minus" label="Zoom out" roomy onClick={() => void flow.zoomOut(calmly())} />
        <Tool glyph="plus" label="Zoom in" roomy onClick={() => void flow.zoomIn(calmly())} />
        <Tool
          glyph="fit"
          label="Show everything"
          onClick={() => void flow.fitView({ ...calmly(), padding: 0.15, maxZoom: 1 })}
        />
        <Tool glyph="keyboard" label="Keys" roomy onClick={() => onAsk({ kind: 'keys' })} />
      </div>
    </div>
  )
}

/** What those who may write have besides. */
function Writing({ selected, onAsk }: ToolbarProps) {
  const undo = useUndo()
  const add = useAdding()
  const connect = () => selected !== null && onAsk({ kind: 'connect', from: selected })
  return (
    <>
      <Tool glyph="note" label="Note" onClick={add.note} onPointerEnter={prepareEditor}>
        Note
      </Tool>
      <Tool glyph="code" label="Code document" onClick={add.code}>
        Code
      </Tool>
      <Tool glyph="container" label="New container" onClick={add.container}>
        Container
      </Tool>
      <span className={styles.rule} />
      <Tool
        glyph="connect"
        label={selected === null ? 'Connect: select one thing first' : 'Connect what is selected (C)'}
        disabled={selected === null}
        onClick={connect}
      />
      <Tool glyph="undo" label="Undo (Ctrl Z)" disabled={!undo.can.undo} onClick={undo.undo} />
      <Tool glyph="redo" label="Redo (Ctrl Shift Z)" disabled={!undo.can.redo} onClick={undo.redo} />
      <span className={styles.rule} />
    </>
  )
}

interface ToolProps {
  glyph: GlyphName
  label: string
  disabled?: boolean
  /** Left out where there is little room: fingers and other keys do the same. */
  roomy?: boolean
  onClick: () => void
  onPointerEnter?: () => void
  children?: ReactNode
}

function Tool({ glyph, label, disabled = false, roomy = false, onClick, onPointerEnter, children }: ToolProps) {
  return (
    <button
      type="button"
      className={classes(styles.tool, roomy && styles.roomy)}
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
