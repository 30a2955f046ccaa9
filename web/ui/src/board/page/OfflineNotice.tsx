import { Notice } from '../../design'
import { useCell } from '../cell'
import { useAround } from '../context'
import styles from './NoticeBar.module.css'

/** Says that one may go on without the gateway, and what becomes of it. */
export function OfflineNotice() {
  const { workspace, open } = useAround()
  const { session } = workspace
  const status = useCell(session.status)
  const { keeps } = useCell(open.replica.state)
  if (status.kind !== 'offline') return null
  return (
    <div className={styles.around}>
      <Notice tone="warn" onRetry={() => session.retry()}>
        <p>
          The board is out of reach.{' '}
          {keeps
            ? 'Go on working: this browser keeps your changes, and merges them on return.'
            : 'You can go on working, but leave this page open: this browser keeps nothing without it.'}
        </p>
      </Notice>
    </div>
  )
}
