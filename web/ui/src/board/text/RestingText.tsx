import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from 'react'
import { classes } from '../../design/classes'
import type { NoteView } from '../model/nodes'
import type { Entry } from './editor'
import styles from './NoteText.module.css'
import { lettersIn, still } from './still'

interface RestingTextProps {
  note: NoteView
  editable: boolean
  /** Whether whoever enters can write at once; until then it does not say that one can. */
  ready: boolean
  label: string
  /** Whether it is as high as its note, and not as its words. */
  cut: boolean
  /** Whether the editor had the focus that it is there instead of. */
  takesFocus: boolean
  onPress: (() => void) | undefined
  onEnter: (entry: Entry) => void
  onLeave: () => void
}

/** A text that nobody is in: entered by a click, or when the focus comes to it. Those who only read scroll in it. */
export function RestingText(props: RestingTextProps) {
  const { note, editable, ready, label, cut, takesFocus, onPress, onEnter, onLeave } = props
  const text = useRef<HTMLDivElement>(null)
  const [focused, setFocused] = useState(false)
  const letters = cut && !focused ? lettersIn(note) : Infinity
  const words = useMemo(() => note.text && still(note.text, letters), [note, letters])
  useEffect(() => {
    // Else what is typed on would be taken for keys of the board.
    if (takesFocus) text.current?.focus()
  }, [takesFocus])
  const press = (event: MouseEvent<HTMLElement>) => {
    // A link at rest is followed.
    if (event.button !== 0 || !editable || (event.target as Element).closest('a') !== null) return
    event.preventDefault()
    // What is pressed gives way to the editor, and nothing is clicked on then.
    onPress?.()
    onEnter({ left: event.clientX, top: event.clientY, scrolled: event.currentTarget.scrollTop })
  }
  const control = {
    role: 'textbox',
    'aria-label': label,
    'aria-multiline': true,
    ...(!editable && { 'aria-readonly': true, contentEditable: false }),
  }
  return (
    <div
      className={classes(styles.place, 'nodrag', 'nopan', focused ? 'nowheel' : styles.resting)}
      onMouseDown={press}
      onKeyDown={leaveByKey}
    >
      <div
        ref={text}
        className="note-text"
        tabIndex={0}
        {...((ready || !editable) && control)}
        onFocus={({ target, currentTarget }) => {
          setFocused(true)
          if (editable && target === currentTarget) onEnter('key')
        }}
        onBlur={() => {
          setFocused(false)
          onLeave()
        }}
      >
        {words}
      </div>
    </div>
  )
}

/** On the board the note itself can be moved by key then. */
export function leaveByKey(event: KeyboardEvent): void {
  if (event.key === 'Escape') event.currentTarget.closest<HTMLElement>('.react-flow__node')?.focus()
}
