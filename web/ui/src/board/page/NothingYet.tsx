import type { Org } from '../../api'
import { Empty, Spinner } from '../../design'
import { managesMembers } from '../../pages/roles'
import { Link, paths } from '../../router'
import { useAdding } from '../canvas/useAdding'
import { useCell } from '../cell'
import { useAround } from '../context'
import { Glyph, type GlyphName } from '../Glyph'
import styles from './NothingYet.module.css'

/** What a board says that has nothing on it, and how to begin. */
export function NothingYet({ org }: { org: Org }) {
  const { open, workspace, mayWrite } = useAround()
  const nodes = useCell(open.board.nodes.views)
  const { everInStep } = useCell(open.replica.state)
  const containers = useCell(workspace.containers)
  if (nodes.size > 0) return null
  if (!everInStep) {
    return (
      <div className={styles.nothing}>
        <Spinner large label="Opening the board" />
      </div>
    )
  }
  const waiting = containers.size === 0 ? '' : ' Containers that are not on it stand in the list above.'
  return (
    <div className={styles.nothing}>
      <Empty title="An empty board" action={mayWrite && <Beginnings org={org} />}>
        {mayWrite
          ? `Begin with one of these: everybody in the project sees it at once.${waiting}`
          : `Nobody has put anything on it yet.${waiting}`}
      </Empty>
    </div>
  )
}

const BEGINNINGS: { kind: keyof ReturnType<typeof useAdding>; glyph: GlyphName; title: string; text: string }[] = [
  { kind: 'note', glyph: 'note', title: 'Write', text: 'A sheet on which all of you write at once' },
  { kind: 'code', glyph: 'code', title: 'Program', text: 'A file in your language, edited together' },
  { kind: 'container', glyph: 'container', title: 'Run', text: 'A terminal, an editor, a database, with an address' },
]

function Beginnings({ org }: { org: Org }) {
  const add = useAdding()
  const alone = useCell(useAround().open.people.others).length === 0
  return (
    <>
      <div className={styles.beginnings}>
        {BEGINNINGS.map(({ kind, glyph, title, text }) => (
          <button key={kind} type="button" className={styles.beginning} onClick={add[kind]}>
            <span className={styles.sign}>
              <Glyph name={glyph} size={20} />
            </span>
            <strong>{title}</strong>
            <span>{text}</span>
          </button>
        ))}
      </div>
      {alone && managesMembers(org.role) && (
        <p className={styles.people}>
          Alone here? <Link to={paths.members(org.id)}>Add people to {org.name}</Link>
        </p>
      )}
    </>
  )
}
