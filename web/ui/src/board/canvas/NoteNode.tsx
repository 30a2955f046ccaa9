import { useStoreApi, type Node, type NodeProps } from '@xyflow/react'
import { memo, useCallback, useEffect } from 'react'
import { Button, Menu } from '../../design'
import { classes } from '../../design/classes'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import { NOTE_COLORS, type NoteColor, type NoteView } from '../model/nodes'
import { NoteText } from '../text/NoteText'
import { NodeFrame } from './NodeFrame'
import styles from './NoteNode.module.css'

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
  const store = useStoreApi()
  return (
    <NodeFrame node={data.view} selected={selected} resizable className={classes(styles.note, styles[data.view.color])}>
      <Note note={data.view} onPress={() => store.getState().addSelectedNodes([data.view.id])} />
    </NodeFrame>
  )
})

interface NoteProps {
  note: NoteView
  /** Called when a hand enters the text; on the canvas, where the note can be dragged and has a height of its own. */
  onPress?: () => void
}

/** A note, on the canvas or in a list. */
export function Note({ note, onPress }: NoteProps) {
  const drag = onPress !== undefined
  const { open, mayWrite, askRemove } = useAround()
  const colors = NOTE_COLORS.map((color) => ({
    label: COLOR_LABELS[color],
    checked: color === note.color,
    onSelect: () => open.board.change(note.id, { color }),
  }))
  const takesFocus = useCallback(() => note.id === fresh.id && Date.now() < fresh.until, [note.id])
  useEffect(() => {
    // Once only: drawn again, as when the screen becomes narrow, it leaves the focus where it is.
    if (note.id === fresh.id) fresh = { id: '', until: 0 }
  }, [note.id])
  return (
    <>
      <div className={classes(styles.bar, drag ? styles.grip : styles.roomy)}>
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
      <NoteText note={note} editable={mayWrite} label="Note" cut={drag} takesFocus={takesFocus} onPress={onPress} />
    </>
  )
}

export { styles as noteStyles }
