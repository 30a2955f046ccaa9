import { useEffect, useState } from 'react'
import { Button, Icon, Menu, Spinner } from '../../design'
import type { Readable } from '../cell'
import type { Replica } from '../connection/replica'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import type { CodeView } from '../model/nodes'
import { partOf } from '../../resource/part'
import { PanelFrame } from '../page/PanelFrame'
import { TitleField } from '../page/TitleField'
import styles from './CodePanel.module.css'
import { languageLabel, LANGUAGES } from './languages'

const CodeText = partOf('Opening the document', async () => (await import('./CodeText')).CodeText)

/** Fetches the editor, so that one can write at once in whatever document one opens. */
export const prepareCode = CodeText.prepare

/** A code document beside the board. */
export function CodePanel({ node, onClose }: { node: CodeView; onClose: () => void }) {
  const { open, mayWrite, askRemove } = useAround()
  const replica = useDocument(node.document)
  const title = node.title === '' ? 'Untitled' : node.title
  const change = (language: string) => open.board.change(node.id, { language })
  return (
    <PanelFrame
      label={title}
      wide
      onClose={onClose}
      title={
        <TitleField
          value={node.title}
          placeholder="Untitled"
          label="Name of the document"
          editable={mayWrite}
          onChange={(title) => open.board.change(node.id, { title })}
        />
      }
      actions={
        mayWrite && (
          <Button
            variant="quiet"
            small
            icon="trash"
            aria-label="Remove from the board"
            onClick={() => askRemove([node.id], [])}
          />
        )
      }
    >
      <div className={styles.bar}>
        <Menu
          label={`Language: ${languageLabel(node.language)}`}
          align="start"
          items={
            mayWrite
              ? Object.entries(LANGUAGES).map(([id, { label }]) => ({
                  label,
                  checked: id === node.language,
                  onSelect: () => change(id),
                }))
              : []
          }
        >
          <span className={styles.language}>
            <Glyph name="code" size={16} /> {languageLabel(node.language)} <Icon name="chevron" size={14} />
          </span>
        </Menu>
        <span className={styles.hint}>
          {mayWrite ? 'Escape, then Tab, leaves the text' : 'You may read, not write'}
        </span>
      </div>
      {replica === null ? (
        <Spinner large label="Opening the document" />
      ) : (
        <CodeText replica={replica} language={node.language} editable={mayWrite} label={title} />
      )}
    </PanelFrame>
  )
}

/** Keeps a document open while it is shown, and lets others know who looks into it. */
function useDocument(name: string | null): Readable<Replica> | null {
  const { workspace, open } = useAround()
  const [replica, setReplica] = useState<Readable<Replica> | null>(null)
  const { session } = workspace
  useEffect(() => {
    if (name === null) return
    let wanted = true
    const document = session.document(name)
    queueMicrotask(() => {
      if (wanted) setReplica(document.replica)
    })
    return () => {
      wanted = false
      setReplica(null)
      document.release()
    }
  }, [session, name])
  const { awareness } = open.replica
  useEffect(() => {
    awareness.setLocalStateField('open', name)
    return () => awareness.setLocalStateField('open', null)
  }, [awareness, name])
  return replica
}
