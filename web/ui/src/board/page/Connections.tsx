import { Button } from '../../design'
import { useCell } from '../cell'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import { connectionName, nameOf } from '../model/names'
import styles from './Connections.module.css'
import { TitleField } from './TitleField'

/** What is connected with what, for those who do not see the lines. */
export function useConnections() {
  const { open, workspace } = useAround()
  const edges = useCell(open.board.edges.views)
  const nodes = useCell(open.board.nodes.views)
  const containers = useCell(workspace.containers)
  return [...edges.values()].flatMap((edge) => {
    const [source, target] = [nodes.get(edge.source), nodes.get(edge.target)]
    if (source === undefined || target === undefined) return []
    const name = connectionName(edge, source, target, containers)
    return [{ edge, name, from: nameOf(source, containers), to: nameOf(target, containers) }]
  })
}

export function Connections({ connections }: { connections: ReturnType<typeof useConnections> }) {
  const { open, mayWrite, askRemove } = useAround()
  if (connections.length === 0) return null
  return (
    <ul className={styles.list}>
      {connections.map(({ edge, name, from, to }) => (
        <li key={edge.id} className={styles.row} aria-label={name}>
          <div className={styles.words}>
            <span className={styles.end}>{from}</span>
            <span className={styles.end}>
              <span className={styles.arrow}>
                <Glyph name="arrow" size={15} />
              </span>
              {to}
            </span>
            {(mayWrite || edge.label !== '') && (
              <span className={styles.label}>
                <TitleField
                  value={edge.label}
                  placeholder="Label"
                  label={`Label of the ${name.charAt(0).toLowerCase()}${name.slice(1)}`}
                  editable={mayWrite}
                  onChange={(label) => open.board.label(edge.id, label)}
                />
              </span>
            )}
          </div>
          {mayWrite && (
            <Button
              variant="quiet"
              small
              icon="close"
              aria-label={`Remove: ${name}`}
              onClick={() => askRemove([], [edge.id])}
            />
          )}
        </li>
      ))}
    </ul>
  )
}
