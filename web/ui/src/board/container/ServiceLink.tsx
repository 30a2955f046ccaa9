import { Icon } from '../../design'
import type { ContainerView, ServiceView } from '../model/containers'
import styles from './ServiceLink.module.css'

/**
 * Opens a service; before it answers, says so instead. The gate in front of it comes back to the name that this page was
 * reached by, so it is told.
 */
export function ServiceLink({ service, container }: { service: ServiceView; container: ContainerView }) {
  const up = service.state !== 'withdrawn' && (container.phase === 'running' || container.phase === 'unhealthy')
  if (!up || service.url === null) {
    return (
      <span className={styles.off} title={`${service.name} does not answer yet`}>
        {service.name}
      </span>
    )
  }
  return (
    <a
      className={styles.link}
      href={service.url}
      target="_blank"
      rel="noopener"
      referrerPolicy="origin"
      aria-label={`Open ${service.name} of ${container.name}`}
    >
      {service.name} <Icon name="external" size={14} />
    </a>
  )
}
