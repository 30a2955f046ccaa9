import type { EditorView } from 'prosemirror-view'
import { useEffect, useRef, useState } from 'react'
import type * as Y from 'yjs'
import { classes } from '../../design/classes'
import { Glyph, type GlyphName } from '../Glyph'
import type { Carets } from './carets'
import { enter, formats, openEditor, type Entry, type Format } from './editor'
import styles from './NoteText.module.css'
import { leaveByKey } from './RestingText'
import { takes } from './takes'

export { takes }

interface TextEditorProps {
  text: Y.XmlFragment
  carets: Carets
  editable: boolean
  label: string
  /** Whether it is as high as its note, and not as its words. */
  cut: boolean
  /** Where somebody entered here; null while it is there for others' carets. */
  entry: Entry | null
  onEnter: (entry: Entry) => void
  onLeave: () => void
  /** Others wrote what the editor does not know; and whether it had the focus. */
  onForeign: (focused: boolean) => void
}

const BUTTONS: { format: Format; glyph: GlyphName; label: string }[] = [
  { format: 'bold', glyph: 'bold', label: 'Bold' },
  { format: 'italic', glyph: 'italic', label: 'Italic' },
  { format: 'code', glyph: 'code', label: 'Code' },
  { format: 'heading', glyph: 'heading', label: 'Heading' },
  { format: 'bullets', glyph: 'bullets', label: 'Bulleted list' },
  { format: 'numbers', glyph: 'numbers', label: 'Numbered list' },
]

/** The text of a note while somebody is in it. */
export function TextEditor(props: TextEditorProps) {
  const { text, carets, editable, label, cut, entry, onEnter, onLeave, onForeign } = props
  const place = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const may = useRef(editable)
  const entered = useRef(entry)
  const [focused, setFocused] = useState(false)

  useEffect(() => {
    may.current = editable
    view.current?.setProps({ editable: () => editable })
  }, [editable])

  useEffect(() => {
    if (place.current === null) return
    // It may have changed since it was asked for.
    if (!takes(text)) return onForeign(false)
    const onFocus = (focused: boolean) => {
      setFocused(focused)
      if (focused) onEnter('key')
      // In another window the text is still the one that was left.
      else requestAnimationFrame(() => editor.hasFocus() || onLeave())
    }
    const editable = () => may.current
    const common = { place: place.current, label, editable, onFocus, onForeign }
    const editor = openEditor({ text, awareness: carets.of(text), ...common })
    view.current = editor
    if (entered.current !== null) enter(editor, entered.current)
    return () => {
      view.current = null
      editor.destroy()
    }
  }, [text, carets, label, onEnter, onLeave, onForeign])

  const apply = (format: Format) => {
    const editor = view.current
    if (editor === null) return
    formats[format](editor.state, editor.dispatch, editor)
    editor.focus()
  }
  return (
    <>
      {focused && editable && (
        <div role="toolbar" aria-label="Format" className={classes(styles.formats, !cut && styles.within)}>
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
      <div
        ref={place}
        className={classes(styles.place, 'nodrag', 'nopan', focused && 'nowheel')}
        onKeyDown={leaveByKey}
      />
    </>
  )
}
