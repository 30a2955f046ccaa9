import { useState, type ReactNode } from 'react'
import { ContainerList } from '../container/ContainerList'
import { CodeCard } from '../canvas/CodeNode'
import { ConnectDialog } from '../canvas/ConnectDialog'
import { Note, noteStyles } from '../canvas/NoteNode'
import { useAdding } from '../canvas/useAdding'
import { useUndo } from '../canvas/useUndo'
import { Button } from '../../design'
import { classes } from '../../design/classes'
import { useCell } from '../cell'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import type { CodeView, NodeView, NoteView } from '../model/nodes'
import { useEditorSoon } from '../text/useEditorSoon'
import styles from './BoardList.module.css'
import { Connections, useConnections } from './Connections'

/** The board as a list, for screens on which a plane is no help. */
export function BoardList() {
  useEditorSoon()
  const { open, mayWrite } = useAround()
  const nodes = [...useCell(open.board.nodes.views).values()].sort(byPlace)
  const { everInStep } = useCell(open.replica.state)
  // Before, none is not the same as nobody knows.
  const none = everInStep || nodes.length > 0 ? 'None yet.' : 'On their way…'
  const notes = nodes.filter((node): node is NoteView => node.type === 'note')
  const documents = nodes.filter((node): node is CodeView => node.type === 'code')
  const add = useAdding()
  const connections = useConnections()
  const [connecting, setConnecting] = useState(false)
  return (
    <div className={styles.list}>
      {mayWrite && <Undo />}
      <ContainerList />
      <Group title="Code documents" none={none} count={documents.length}>
        {mayWrite && (
          <Button small icon="add" aria-label="New code document" onClick={add.code}>
            New
          </Button>
        )}
        {documents.map((node) => (
          <article key={node.id} className={styles.card}>
            <CodeCard node={node} />
          </article>
        ))}
      </Group>
      <Group title="Notes" none={none} count={notes.length}>
        {mayWrite && (
          <Button small icon="add" aria-label="New note" onClick={add.note}>
            New
          </Button>
        )}
        {notes.map((note) => (
          <article key={note.id} className={classes(styles.card, styles.note, noteStyles.note, noteStyles[note.color])}>
            <Note note={note} />
          </article>
        ))}
      </Group>
      <Group title="Connections" none={none} count={connections.length}>
        {mayWrite && nodes.length > 1 && (
          <Button small icon="add" aria-label="New connection" onClick={() => setConnecting(true)}>
            New
          </Button>
        )}
        <Connections connections={connections} />
      </Group>
      {connecting && <ConnectDialog from={null} onClose={() => setConnecting(false)} />}
    </div>
  )
}

/** What was done here can be taken back here. */
function Undo() {
  const { can, undo, redo } = useUndo()
  return (
    <div role="toolbar" aria-label="Undo" className={styles.undo}>
      <Button variant="quiet" small aria-label="Undo" title="Undo" aria-disabled={!can.undo} onClick={undo}>
        <Glyph name="undo" />
      </Button>
      <Button variant="quiet" small aria-label="Redo" title="Redo" aria-disabled={!can.redo} onClick={redo}>
        <Glyph name="redo" />
      </Button>
    </div>
  )
}

/** As one reads: from above, then from the left. */
function byPlace(a: NodeView, b: NodeView): number {
  return a.y - b.y || a.x - b.x || a.id.localeCompare(b.id)
}

interface GroupProps {
  title: string
  /** What it says instead of nothing. */
  none: string
  count: number
  children: ReactNode
}

function Group({ title, none, count, children }: GroupProps) {
  return (
    <section className={styles.group} aria-label={title}>
      <h2>
        {title} <span>{count}</span>
      </h2>
      {children}
      {count === 0 && <p className={styles.none}>{none}</p>}
    </section>
  )
}
