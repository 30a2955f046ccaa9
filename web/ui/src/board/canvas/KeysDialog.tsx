import { Fragment } from 'react'
import { Dialog } from '../../design'
import styles from './KeysDialog.module.css'

const KEYS: [keys: string[], meaning: string][] = [
  [['Tab'], 'Go to the next thing on the board'],
  [['Enter'], 'Select it; once more: open it'],
  [['↑', '↓', '←', '→'], 'Move what is selected; with Shift, farther'],
  [['+', '−'], 'Make a note larger or smaller'],
  [['C'], 'Connect it with something else'],
  [['Delete'], 'Remove what is selected'],
  [['Esc'], 'Leave a text or a panel'],
  [['Ctrl', 'Z'], 'Undo what you did yourself'],
  [['Ctrl', 'Shift', 'Z'], 'Do it again'],
  [['?'], 'Show these keys'],
]

/** How the board is used by keyboard. */
export function KeysDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className={styles.keys}>
        {KEYS.map(([keys, meaning]) => (
          <Fragment key={meaning}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  )
}
