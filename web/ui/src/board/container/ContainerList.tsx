import { memo, useDeferredValue, useMemo, useState } from 'react'
import { Badge, Button } from '../../design'
import { usePlace } from '../canvas/usePlace'
import { useCell } from '../cell'
import { useAround } from '../context'
import { phaseLabel, type ContainerView } from '../model/containers'
import { matcher } from '../model/filter'
import { SIZES, type NodeView } from '../model/nodes'
import styles from './ContainerList.module.css'
import { PHASE_TONES } from './phase'

/** More rows than anybody reads; a word more in the filter finds the rest. */
const ROWS_MAX = 200

/** All containers of the project, on the board or not. */
export function ContainerList() {
  const { workspace, open, mayWrite, show } = useAround()
  const containers = useCell(workspace.containers)
  const known = useCell(workspace.known)
  const nodes = useCell(open.board.nodes.views)
  const [query, setQuery] = useState('')
  const wanted = useDeferredValue(query)
  const sorted = useMemo(() => [...containers.values()].sort((a, b) => a.name.localeCompare(b.name)), [containers])
  const found = useMemo(() => {
    const matches = matcher(wanted)
    return sorted.filter((container) => matches(container.name, container.slug, container.image, container.phaseText))
  }, [sorted, wanted])
  const placed = useMemo(() => placedIn(nodes), [nodes])
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
        <input
          type="search"
          className={styles.search}
          placeholder="Filter"
          aria-label="Filter containers"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      )}
      <ul className={styles.rows}>
        {found.slice(0, ROWS_MAX).map((container) => (
          <Row key={container.id} container={container} placed={placed.has(container.id)} />
        ))}
      </ul>
      {known && containers.size === 0 && (
        <p className={styles.none}>None yet. A notebook, an editor, a data base: choose one from the catalogue.</p>
      )}
      {containers.size > 0 && found.length === 0 && <p className={styles.none}>None matches.</p>}
      {found.length > ROWS_MAX && <p className={styles.none}>And {found.length - ROWS_MAX} more.</p>}
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
      {mayWrite && !placed && (
        <Button
          small
          aria-label={`Put ${container.name} on the board`}
          onClick={() => open.board.addCard(place(SIZES.container), container.id)}
        >
          Place
        </Button>
      )}
    </li>
  )
})
