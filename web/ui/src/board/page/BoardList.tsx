import type { ReactNode } from 'react'
import { ContainerList } from '../container/ContainerList'
import { CodeCard } from '../canvas/CodeNode'
import { focusNote, Note, noteStyles } from '../canvas/NoteNode'
import { usePlace } from '../canvas/usePlace'
import { Button } from '../../design'
import { classes } from '../../design/classes'
import { useCell } from '../cell'
import { useAround } from '../context'
import { SIZES, type CodeView, type NodeView, type NoteView } from '../model/nodes'
import styles from './BoardList.module.css'

/** The board as a list, for screens on which a plane is no help. */
export function BoardList() {
  const { open, mayWrite, show } = useAround()
  const nodes = [...useCell(open.board.nodes.views).values()].sort(byPlace)
  const notes = nodes.filter((node): node is NoteView => node.type === 'note')
  const documents = nodes.filter((node): node is CodeView => node.type === 'code')
  const place = usePlace(open)
  return (
    <div className={styles.list}>
      <ContainerList />
      <Group title="Code documents" empty="None yet." count={documents.length}>
        {mayWrite && (
          <Button
            small
            icon="add"
            aria-label="New code document"
            onClick={() =>
              show({
                kind: 'code',
                node: open.board.addCode(place(SIZES.code), '', 'python'),
              })
            }
          >
            New
          </Button>
        )}
        {documents.map((node) => (
          <article key={node.id} className={styles.card}>
            <CodeCard node={node} />
          </article>
        ))}
      </Group>
      <Group title="Notes" empty="None yet." count={notes.length}>
        {mayWrite && (
          <Button
            small
            icon="add"
            aria-label="New note"
            onClick={() => focusNote(open.board.addNote(place(SIZES.note)))}
          >
            New
          </Button>
        )}
        {notes.map((note) => (
          <article key={note.id} className={classes(styles.card, styles.note, noteStyles.note, noteStyles[note.color])}>
            <Note note={note} />
          </article>
        ))}
      </Group>
    </div>
  )
}

/** As one reads: from above, then from the left. */
function byPlace(a: NodeView, b: NodeView): number {
  return a.y - b.y || a.x - b.x || a.id.localeCompare(b.id)
}

interface GroupProps {
  title: string
  empty: string
  count: number
  children: ReactNode
}

function Group({ title, empty, count, children }: GroupProps) {
  return (
    <section className={styles.group} aria-label={title}>
      <h2>
        {title} <span>{count}</span>
      </h2>
      {children}
      {count === 0 && <p className={styles.none}>{empty}</p>}
    </section>
  )
}
