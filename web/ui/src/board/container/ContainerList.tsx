import { memo, useDeferredValue, useMemo, useState } from 'react'
import { Badge, Button, SearchField } from '../../design'
import { usePlace } from '../canvas/usePlace'
import { useCell } from '../cell'
import { useAround } from '../context'
import { phaseLabel, type ContainerView } from '../model/containers'
import { matcher } from '../model/filter'
import { SIZES, type NodeView } from '../model/nodes'
import styles from './ContainerList.module.css'
import { PHASE_TONES } from './phase'

/** Rows that are drawn at first, and each time somebody asks for more: a word in the filter finds one sooner. */
const ROWS = 100

/** As people count: 2 before 10. */
const byName = new Intl.Collator(undefined, { numeric: true }).compare

/** All containers of the project, on the board or not. */
export function ContainerList() {
  const { workspace, open, mayWrite, show } = useAround()
  const containers = useCell(workspace.containers)
  const known = useCell(workspace.known)
  const nodes = useCell(open.board.nodes.views)
  const [query, setQuery] = useState('')
  const [shown, setShown] = useState(ROWS)
  const wanted = useDeferredValue(query)
  const sorted = useMemo(() => [...containers.values()].sort((a, b) => byName(a.name, b.name)), [containers])
  const found = useMemo(() => {
    const matches = matcher(wanted)
    return sorted.filter((container) => matches(container.name, container.slug, container.image, container.phaseText))
  }, [sorted, wanted])
  const placed = useMemo(() => placedIn(nodes), [nodes])
  const search = (query: string) => {
    setQuery(query)
    setShown(ROWS)
  }
  return (
    <section className={styles.list} aria-label="Containers">
      <header className={styles.header}>
        <h2>Containers {known && <span>{containers.size}</span>}</h2>
        {mayWrite && (
          <Button small icon="add" onClick={() => show({ kind: 'new-container' })}>
            New
          </Button>
        )}
      </header>
      {containers.size > 5 && (
        <SearchField small label="Filter containers" placeholder="Filter" value={query} onChange={search} />
      )}
      <ul className={styles.rows}>
        {found.slice(0, shown).map((container) => (
          <Row key={container.id} container={container} placed={placed.has(container.id)} />
        ))}
      </ul>
      {known && containers.size === 0 && (
        <p className={styles.none}>
          None yet.{mayWrite && ' A notebook, an editor, a database: choose one from the catalogue.'}
        </p>
      )}
      {containers.size > 0 && found.length === 0 && <p className={styles.none}>None matches.</p>}
      {found.length > shown && (
        <Button small onClick={() => setShown(shown + ROWS)}>
          Show more of {found.length}
        </Button>
      )}
    </section>
  )
}

function placedIn(nodes: ReadonlyMap<string, NodeView>): ReadonlySet<string> {
  return new Set([...nodes.values()].flatMap((node) => (node.type === 'container' ? node.container : [])))
}

const Row = memo(function Row({ container, placed }: { container: ContainerView; placed: boolean }) {
  const { open, mayWrite, show } = useAround()
  const place = usePlace(open)
  return (
    <li className={styles.row}>
      <button type="button" className={styles.name} onClick={() => show({ kind: 'container', id: container.id })}>
        <strong>{container.name}</strong>
        <Badge dot tone={PHASE_TONES[container.phase]}>
          {phaseLabel(container)}
        </Badge>
      </button>
      {/* States stand below each other, whether there is something to press beside them or not. */}
      {mayWrite && placed && <span className={styles.slot} />}
      {mayWrite && !placed && (
        <Button
          variant="quiet"
          small
          icon="add"
          title="Put it on the board"
          aria-label={`Put ${container.name} on the board`}
          onClick={() => open.board.addCard(place(SIZES.container), container.id)}
        />
      )}
    </li>
  )
})
