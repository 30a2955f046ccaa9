import type { ReactNode } from 'react'
import { Ago, Button, CopyButton } from '../../design'
import { usePlace } from '../canvas/usePlace'
import { useCell } from '../cell'
import { useAround } from '../context'
import { reasonText, type ContainerView } from '../model/containers'
import { SIZES } from '../model/nodes'
import { distinct } from '../model/people'
import styles from './Overview.module.css'
import { PullBar } from './PullBar'
import { ServiceLink } from './ServiceLink'
import { Sparkline } from './Sparkline'

/** Where a container is, how it is reached, and what it was made from. */
export function Overview({ container }: { container: ContainerView }) {
  const { workspace, open, mayWrite } = useAround()
  const image = useCell(workspace.images).get(container.image)
  const nodes = useCell(open.board.nodes.views)
  const people = distinct(useCell(open.people.others))
  const place = usePlace(open)
  const reason = reasonText(container)
  const placed = [...nodes.values()].some((node) => node.type === 'container' && node.container === container.id)
  const { self } = workspace.session
  const maker = container.createdBy === self.id ? 'you' : people.find(({ id }) => id === container.createdBy)?.name
  return (
    <div className={styles.overview}>
      {reason !== null && <p className={styles.reason}>{reason}</p>}
      <PullBar container={container} />
      {(container.phase === 'running' || container.phase === 'unhealthy') && <Sparkline id={container.id} />}
      <section>
        <h3>Services</h3>
        {container.services.length === 0 && (
          <p className={styles.none}>None yet. They stand here as soon as its program offers some.</p>
        )}
        <ul className={styles.services}>
          {container.services.map((service) => (
            <li key={service.name}>
              <ServiceLink service={service} container={container} />
              {service.url !== null && (
                <>
                  <code title={service.url}>{service.url}</code>
                  <CopyButton variant="quiet" small bare text={service.url} label={`Copy the URL of ${service.name}`} />
                </>
              )}
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h3>About</h3>
        <dl className={styles.facts}>
          <Fact name="Image">{image?.name ?? container.image}</Fact>
          {container.slug !== '' && <Fact name="Alias">{container.slug}</Fact>}
          <Fact name="Runs on">{container.runner ?? 'this installation'}</Fact>
          <Fact name="Limits">{limitsText(container)}</Fact>
          {container.since !== null && (
            <Fact name="Last change">
              <Ago at={container.since} />
            </Fact>
          )}
          {container.createdAt !== null && (
            <Fact name="Created">
              <Ago at={container.createdAt} />
              {maker !== undefined && ` by ${maker}`}
            </Fact>
          )}
          <Fact name="Id">
            <code>{container.id}</code>
          </Fact>
        </dl>
      </section>
      {container.env.length > 0 && (
        <section>
          <h3>Environment</h3>
          <dl className={styles.facts}>
            {container.env.map(({ name, value }) => (
              <Fact key={name} name={name} code>
                {value === null ? <em>secret</em> : <code>{value}</code>}
              </Fact>
            ))}
          </dl>
        </section>
      )}
      {mayWrite && !placed && (
        <Button small onClick={() => open.board.addCard(place(SIZES.container), container.id)}>
          Put a card on the board
        </Button>
      )}
    </div>
  )
}

function Fact({ name, code = false, children }: { name: string; code?: boolean; children: ReactNode }) {
  return (
    <>
      <dt>{code ? <code>{name}</code> : name}</dt>
      <dd>{children}</dd>
    </>
  )
}

function limitsText({ limits }: ContainerView): string {
  const parts = [
    limits.cpus === null ? null : `${limits.cpus} ${limits.cpus === 1 ? 'core' : 'cores'}`,
    limits.memory_mb === null ? null : `${limits.memory_mb} MiB`,
    limits.pids === null ? null : `${limits.pids} processes`,
  ]
  return parts.filter((part) => part !== null).join(', ') || 'those of its image'
}
