import { useState } from 'react'
import { Button, ConfirmDialog, Notice } from '../../design'
import { useCell } from '../cell'
import { useAround } from '../context'
import { nameOf } from '../model/names'
import styles from './NoticeBar.module.css'

/** Says where there is more to be saved than the gateway takes at once, and what can be done. */
export function StuckNotice() {
  const { workspace, open } = useAround()
  const { session } = workspace
  const status = useCell(session.status)
  const nodes = useCell(open.board.nodes.views)
  const [asks, setAsks] = useState(false)
  if (status.kind !== 'stuck') return null
  const nameOfDocument = (document: string) => {
    const node = [...nodes.values()].find((node) => node.type === 'code' && node.document === document)
    return node === undefined ? 'the board' : nameOf(node, workspace.containers.get())
  }
  const discard = (
    <Button variant="quiet" small onClick={() => setAsks(true)}>
      Discard what is not saved
    </Button>
  )
  return (
    <div className={styles.around}>
      <Notice action={discard} onRetry={() => session.tryAgain()}>
        <p>
          More was written at once than can be saved ({status.documents.map(nameOfDocument).join(', ')}). Delete what is
          so large, then try again.
        </p>
      </Notice>
      {asks && (
        <ConfirmDialog
          title="Discard what is not saved?"
          action="Discard"
          danger
          onClose={() => setAsks(false)}
          onConfirm={() => {
            session.giveUp()
            return Promise.resolve()
          }}
        >
          <p>What was written there since it was saved last is gone then. What is saved stays.</p>
        </ConfirmDialog>
      )}
    </div>
  )
}
