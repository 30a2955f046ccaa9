import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { Cell, useCell } from '../cell'
import { useAround } from '../context'
import type { NoteView } from '../model/nodes'
import type { Entry } from './editor'
import styles from './NoteText.module.css'
import { RestingText } from './RestingText'
import type { takes, TextEditor } from './TextEditor'

/** The editor, as soon as this browser has it: boards are drawn without. */
const editor = new Cell<{ Editor: typeof TextEditor; takes: typeof takes } | null>(null)
let coming = false

/** Fetches the editor, so that one can write at once in whatever text one enters. */
export function prepareEditor(): void {
  if (coming) return
  coming = true
  import('./TextEditor').then(
    (module) => editor.set({ Editor: module.TextEditor, takes: module.takes }),
    // Without a network it may come later.
    () => (coming = false),
  )
}

interface NoteTextProps {
  note: NoteView
  editable: boolean
  label: string
  /** Whether it is as high as its note, and not as its words. */
  cut: boolean
  /** Whether it takes the focus as soon as it is there. */
  takesFocus: () => boolean
  onPress: (() => void) | undefined
}

/**
 * The text of a note, which several people write at once. It is an editor while somebody is in it, here or elsewhere, and
 * nothing but text at rest: a board may have hundreds.
 */
export function NoteText({ note, editable, label, cut, takesFocus, onPress }: NoteTextProps) {
  const { carets } = useAround().open
  const { text } = note
  const ready = useCell(editor)
  const occupied = useSyncExternalStore(carets.occupied.subscribe, () => carets.occupied.get().has(text))
  const [entry, setEntry] = useState<Entry | null>(() => (takesFocus() ? 'key' : null))
  const enter = useCallback((entry: Entry) => setEntry((before) => before ?? entry), [])
  const leave = useCallback(() => setEntry(null), [])
  const wanted = occupied || entry !== null
  useEffect(() => {
    if (wanted) prepareEditor()
  }, [wanted])
  // How often it had to be looked whether others wrote what the editor does not know, and whether that took its focus away.
  const [aside, setAside] = useState({ times: 0, focused: false })
  const stepAside = useCallback((focused: boolean) => {
    setEntry(null)
    setAside(({ times }) => ({ times: times + 1, focused }))
  }, [])
  const isForeign = useMemo(
    () => (wanted || aside.times > 0) && text !== null && ready?.takes(text) === false,
    [wanted, aside, text, ready],
  )
  useEffect(() => {
    if (!isForeign || text === null) return
    const look = () => setAside(({ times }) => ({ times: times + 1, focused: false }))
    text.observeDeep(look)
    return () => text.unobserveDeep(look)
  }, [isForeign, text])
  if (text === null) return null
  const common = { label, cut, onEnter: enter, onLeave: leave }
  if (ready !== null && wanted && !isForeign) {
    const writing = { text, carets, editable, entry, onForeign: stepAside }
    return <ready.Editor key={aside.times} {...writing} {...common} />
  }
  const resting = { note, ready: ready !== null, takesFocus: isForeign && aside.focused, onPress }
  return (
    <>
      <RestingText editable={editable && !isForeign} {...resting} {...common} />
      {isForeign && (
        <p className={styles.foreign}>Something in it is not known here: it can be read here, not written.</p>
      )}
    </>
  )
}
