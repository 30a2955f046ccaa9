import type { Node, NodeProps } from '@xyflow/react'
import { memo } from 'react'
import { Badge, Button, CopyButton, Menu } from '../../design'
import { classes } from '../../design/classes'
import { NodeFrame } from '../canvas/NodeFrame'
import { useCell } from '../cell'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import { phaseLabel, reasonText, type ContainerView } from '../model/containers'
import type { CardView } from '../model/nodes'
import styles from './ContainerCard.module.css'
import { PHASE_TONES } from './phase'
import { PullBar } from './PullBar'
import { ServiceLink } from './ServiceLink'
import { useActions } from './useActions'

export const CardNode = memo(function CardNode({ data, selected }: NodeProps<Node<{ view: CardView }>>) {
  const { workspace } = useAround()
  const container = useCell(workspace.containers).get(data.view.container)
  return (
    <NodeFrame node={data.view} selected={selected} className={styles.frame}>
      {container === undefined ? (
        <Absent card={data.view} />
      ) : (
        <ContainerCard container={container} card={data.view.id} />
      )}
    </NodeFrame>
  )
})

/** A container is gone, or nobody knows yet. */
function Absent({ card }: { card: CardView }) {
  const { workspace, open, mayWrite } = useAround()
  const known = useCell(workspace.known)
  if (!known) return <div className={styles.waiting} aria-label="A container" />
  return (
    <div className={styles.absent}>
      <Glyph name="container" size={22} />
      <p>This container was deleted.</p>
      {mayWrite && (
        <Button small className="nodrag" onClick={() => open.board.remove([card.id])}>
          Remove the card
        </Button>
      )}
    </div>
  )
}

const SERVICES_SHOWN = 2

/** What everybody sees of a container, and the first things to do with it. */
export function ContainerCard({ container, card = null }: { container: ContainerView; card?: string | null }) {
  const { workspace, show } = useAround()
  const images = useCell(workspace.images)
  const { actions, items, run } = useActions(container, card)
  const reason = reasonText(container)
  const image = images.get(container.image)?.name ?? container.image
  const rest = container.services.length - SERVICES_SHOWN
  return (
    <div className={styles.card} data-phase={container.phase} data-container={container.id}>
      <div className={styles.head}>
        <button
          type="button"
          className={classes(styles.name, 'nodrag')}
          title={container.name}
          onClick={() => show({ kind: 'container', id: container.id })}
        >
          {container.name}
        </button>
        <Badge dot tone={PHASE_TONES[container.phase]}>
          {phaseLabel(container)}
        </Badge>
        <span className="nodrag">
          <Menu label={`Actions of ${container.name}`} items={items} className={styles.more} />
        </span>
      </div>
      <p className={classes(styles.detail, reason !== null && styles.reason)} title={reason ?? undefined}>
        {reason ?? image}
      </p>
      <PullBar container={container} />
      <div className={classes(styles.foot, 'nodrag')}>
        {container.services.slice(0, SERVICES_SHOWN).map((service) => (
          <ServiceLink key={service.name} service={service} container={container} />
        ))}
        {container.services.length === 0 && container.phase === 'running' && (
          <span className={styles.none}>Nothing to open yet</span>
        )}
        {rest > 0 && (
          <Button variant="quiet" small onClick={() => show({ kind: 'container', id: container.id })}>
            {rest} more
          </Button>
        )}
        <span className={styles.gap} />
        {actions.includes('start') && (
          <Button small icon="play" aria-label={`Start ${container.name}`} onClick={() => run('start')}>
            Start
          </Button>
        )}
        {container.url !== null && (
          <CopyButton variant="quiet" small bare text={container.url} label={`Copy the URL of ${container.name}`} />
        )}
      </div>
    </div>
  )
}
