import { useEffect, useRef } from 'react'
import { useCell, type Readable } from '../cell'
import type { Replica } from '../connection/replica'
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
export default function CodeText({ replica, language, editable, label }: CodeTextProps) {
  const current = useCell(replica)
  const { everInStep } = useCell(current.state)
  const place = useRef<HTMLDivElement>(null)
  const editor = useRef<CodeEditor | null>(null)

  useEffect(() => {
    if (place.current === null) return
    const opened = openCodeEditor(place.current, current.doc, current.awareness, label)
    editor.current = opened
    return () => {
      editor.current = null
      opened.destroy()
    }
  }, [current, label])

  useEffect(() => {
    editor.current?.setEditable(editable && everInStep)
    if (editable && everInStep) editor.current?.focus()
  }, [current, label, editable, everInStep])

  useEffect(() => {
    let wanted = true
    void loadLanguage(language).then((extension) => {
      if (wanted) editor.current?.setLanguage(extension)
    })
    return () => {
      wanted = false
    }
  }, [current, label, language])

  return <div ref={place} className={styles.text} aria-busy={!everInStep} />
}
