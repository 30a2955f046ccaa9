import { Button, Notice } from '../../design'
import { useCell } from '../cell'
import { useAround } from '../context'
import { nameOf } from '../model/names'
import styles from './OfflineNotice.module.css'

/** Says where there is more to be saved than the gateway takes at once, and what can be done. */
export function StuckNotice() {
  const { workspace, open } = useAround()
  const { session } = workspace
  const status = useCell(session.status)
  const nodes = useCell(open.board.nodes.views)
  if (status.kind !== 'stuck') return null
  const nameOfDocument = (document: string) => {
    const node = [...nodes.values()].find((node) => node.type === 'code' && node.document === document)
    return node === undefined ? 'the board' : nameOf(node, workspace.containers.get())
  }
  return (
    <div className={styles.around}>
      <Notice onRetry={() => session.tryAgain()}>
        <p>
          More was written at once than can be saved ({status.documents.map(nameOfDocument).join(', ')}). Delete what is
          so large, then try again.{' '}
          <Button small variant="danger" onClick={() => session.giveUp()}>
            Discard what is not saved
          </Button>
        </p>
      </Notice>
    </div>
  )
}
