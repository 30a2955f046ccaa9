import { Notice } from '../../design'
import { useCell } from '../cell'
import { useAround } from '../context'
import styles from './OfflineNotice.module.css'

/** Says that one may go on without the gateway, and what becomes of it. */
export function OfflineNotice() {
  const { session } = useAround().workspace
  const status = useCell(session.status)
  if (status.kind !== 'offline') return null
  return (
    <div className={styles.around}>
      <Notice tone="warn" onRetry={() => session.retry()}>
        <p>The board is out of reach. Go on working: this browser keeps your changes, and merges them on return.</p>
      </Notice>
    </div>
  )
}
