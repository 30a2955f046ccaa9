import { useEffect, useRef } from 'react'
import { isTyping } from '../../design/typing'
import { useCell, type Readable } from '../cell'
import type { Replica } from '../connection/replica'
import { useAround } from '../context'
import { openCodeEditor, type CodeEditor } from './editor'
import { loadLanguage } from './languages'
import styles from './CodePanel.module.css'

interface CodeTextProps {
  replica: Readable<Replica>
  language: string
  editable: boolean
  label: string
}

/** The text of a code document, which several people write at once. */
export function CodeText({ replica, language, editable, label }: CodeTextProps) {
  const current = useCell(replica)
  const { everInStep, tooLarge } = useCell(current.state)
  const { kind } = useCell(useAround().workspace.session.status)
  // Without a gateway one goes on with what this browser has: it is merged on return.
  const ready = everInStep || tooLarge || kind === 'offline'
  const mayEdit = editable && ready
  const place = useRef<HTMLDivElement>(null)
  const editor = useRef<CodeEditor | null>(null)

  useEffect(() => {
    if (place.current === null) return
    const opened = openCodeEditor(place.current, current.doc, current.awareness)
    editor.current = opened
    return () => {
      editor.current = null
      opened.destroy()
    }
  }, [current])

  // Whoever renames it must not take the place in the text from those who write.
  useEffect(() => editor.current?.setLabel(label), [current, label])

  useEffect(() => {
    editor.current?.setEditable(mayEdit)
    // Whoever writes somewhere else by now goes on there.
    if (mayEdit && !isTyping(document.activeElement)) editor.current?.focus()
  }, [current, mayEdit])

  useEffect(() => {
    let wanted = true
    loadLanguage(language).then(
      (extension) => {
        if (wanted) editor.current?.setLanguage(extension)
      },
      // Without a network it is text without colours.
      () => undefined,
    )
    return () => {
      wanted = false
    }
  }, [current, language])

  return <div ref={place} className={styles.text} aria-busy={!ready} />
}
