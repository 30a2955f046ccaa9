import type { Node, NodeProps } from '@xyflow/react'
import { lazy, memo, Suspense, useCallback } from 'react'
import { Button, Menu } from '../../design'
import { classes } from '../../design/classes'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import { NOTE_COLORS, type NoteColor, type NoteView } from '../model/nodes'
import { NodeFrame } from './NodeFrame'
import styles from './NoteNode.module.css'

const loadText = () => import('../text/NoteText')
const NoteText = lazy(loadText)

/** Fetched before the first note is made, so that one can type at once. */
export function prepareNotes(): void {
  void loadText()
}

const COLOR_LABELS: Record<NoteColor, string> = {
  brass: 'Brass',
  moss: 'Moss',
  sky: 'Sky',
  rose: 'Rose',
  plain: 'Plain',
}

const FRESH_MS = 3_000
let fresh = { id: '', until: 0 }

/** A note that one has just made takes the focus when its text is there. */
export function focusNote(id: string): void {
  fresh = { id, until: Date.now() + FRESH_MS }
  // What is typed before that must not press the button again.
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
}

export const NoteNode = memo(function NoteNode({ data, selected }: NodeProps<Node<{ view: NoteView }>>) {
  return (
    <NodeFrame node={data.view} selected={selected} resizable className={classes(styles.note, styles[data.view.color])}>
      <Note note={data.view} drag />
    </NodeFrame>
  )
})

/** A note, on the canvas or in a list. */
export function Note({ note, drag = false }: { note: NoteView; drag?: boolean }) {
  const { open, mayWrite, askRemove } = useAround()
  const colors = NOTE_COLORS.map((color) => ({
    label: COLOR_LABELS[color],
    checked: color === note.color,
    onSelect: () => open.board.change(note.id, { color }),
  }))
  const takesFocus = useCallback(() => note.id === fresh.id && Date.now() < fresh.until, [note.id])
  return (
    <>
      <div className={classes(styles.bar, drag && styles.grip)}>
        {mayWrite && (
          <div className={classes(styles.tools, 'nodrag')}>
            <Menu label="Colour" items={colors}>
              <span className={styles.tool}>
                <Glyph name="palette" size={15} />
              </span>
            </Menu>
            <Button
              variant="quiet"
              className={styles.tool ?? ''}
              icon="close"
              aria-label="Remove the note"
              onClick={() => askRemove([note.id], [])}
            />
          </div>
        )}
      </div>
      {note.text !== null && (
        <Suspense fallback={<div className={styles.loading} />}>
          <NoteText text={note.text} awareness={open.carets} editable={mayWrite} label="Note" takesFocus={takesFocus} />
        </Suspense>
      )}
    </>
  )
}

export { styles as noteStyles }
