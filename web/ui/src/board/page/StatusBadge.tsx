import { Badge, type Tone } from '../../design'
import { useCell } from '../cell'
import type { Status } from '../connection/status'
import { useAround } from '../context'

interface Words {
  tone: Tone
  text: string
  /** For whoever wonders what it means. */
  title: string
}

function changes(count: number): string {
  return count === 1 ? '1 unsaved change' : `${count} unsaved changes`
}

/** What is said of the connection. */
export function wordsOf(status: Status): Words {
  switch (status.kind) {
    case 'connecting':
      return {
        tone: 'plain',
        text: 'Connecting',
        title: 'The board is being opened.',
      }
    case 'live':
      return {
        tone: 'good',
        text: 'Live',
        title: 'You see what everybody does, as they do it.',
      }
    case 'saving':
      return {
        tone: 'plain',
        text: 'Saving',
        title: `${changes(status.unsaved)} on the way to the disk.`,
      }
    case 'saved':
      return {
        tone: 'good',
        text: 'Saved',
        title: 'Everything you changed is on disk.',
      }
    case 'reconnecting':
      return {
        tone: 'warn',
        text: 'Reconnecting',
        title: 'Go on working: your changes are sent afterwards.',
      }
    case 'offline': {
      const text = status.unsaved === 0 ? 'Offline' : `Offline, ${changes(status.unsaved)}`
      return {
        tone: 'warn',
        text,
        title: 'Go on working: your changes are merged on return.',
      }
    }
    case 'stuck':
      return {
        tone: 'bad',
        text: 'Not saved',
        title: `${changes(status.unsaved)}, too large to be saved.`,
      }
    case 'ended':
      return {
        tone: 'bad',
        text: 'Access ended',
        title: 'The board is not connected any more.',
      }
  }
}

/** The state of the connection: a dot, a word, and on hovering what it means. */
export function StatusBadge() {
  const status = useCell(useAround().workspace.session.status)
  const { tone, text, title } = wordsOf(status)
  const turning = status.kind === 'connecting' || status.kind === 'reconnecting'
  return (
    <span title={title} data-status={status.kind}>
      <Badge tone={tone} dot={turning ? 'turning' : true}>
        {/* Saving comes with every key: readers of the screen hear of the rest only. */}
        <span aria-live={status.kind === 'saving' || status.kind === 'saved' ? 'off' : 'polite'}>{text}</span>
      </Badge>
    </span>
  )
}
