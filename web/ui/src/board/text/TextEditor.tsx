import type { EditorView } from 'prosemirror-view'
import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { classes } from '../../design/classes'
import { Glyph, type GlyphName } from '../Glyph'
import { formats, openEditor, type Format } from './editor'
import styles from './NoteText.module.css'

interface NoteTextProps {
  text: Y.XmlFragment
  awareness: Awareness
  editable: boolean
  label: string
  /** Whether it takes the focus as soon as it is there. */
  takesFocus: () => boolean
}

const BUTTONS: { format: Format; glyph: GlyphName; label: string }[] = [
  { format: 'bold', glyph: 'bold', label: 'Bold' },
  { format: 'italic', glyph: 'italic', label: 'Italic' },
  { format: 'code', glyph: 'code', label: 'Code' },
  { format: 'heading', glyph: 'heading', label: 'Heading' },
  { format: 'bullets', glyph: 'bullets', label: 'Bulleted list' },
  { format: 'numbers', glyph: 'numbers', label: 'Numbered list' },
]

/** The text of a note, which several people write at once. */
export default function NoteText({ text, awareness, editable, label, takesFocus }: NoteTextProps) {
  const place = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const may = useRef(editable)
  const [focused, setFocused] = useState(false)

  useEffect(() => {
    may.current = editable
    view.current?.setProps({ editable: () => editable })
  }, [editable])

  useEffect(() => {
    if (place.current === null) return
    const editor = openEditor({
      place: place.current,
      text,
      awareness,
      label,
      editable: () => may.current,
      onFocus: setFocused,
    })
    view.current = editor
    if (takesFocus()) editor.focus()
    return () => {
      view.current = null
      editor.destroy()
    }
  }, [text, awareness, label, takesFocus])

  const apply = (format: Format) => {
    const editor = view.current
    if (editor === null) return
    formats[format](editor.state, editor.dispatch, editor)
    editor.focus()
  }
  const leave = (event: KeyboardEvent) => {
    // On the board the note itself can be moved by key then.
    if (event.key === 'Escape') event.currentTarget.closest<HTMLElement>('.react-flow__node')?.focus()
  }
  return (
    <>
      {focused && editable && (
        <div role="toolbar" aria-label="Format" className={styles.formats}>
          {BUTTONS.map(({ format, glyph, label }) => (
            <button
              key={format}
              type="button"
              aria-label={label}
              title={label}
              // The text keeps its selection.
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => apply(format)}
            >
              <Glyph name={glyph} size={16} />
            </button>
          ))}
        </div>
      )}
      <div ref={place} className={classes(styles.place, 'nodrag', 'nopan', focused && 'nowheel')} onKeyDown={leave} />
    </>
  )
}
