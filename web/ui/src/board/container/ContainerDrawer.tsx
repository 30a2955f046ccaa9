import { useRef, useState, type KeyboardEvent } from 'react'
import { Badge, Button, Spinner } from '../../design'
import { classes } from '../../design/classes'
import tabs from '../../design/tabs.module.css'
import { useCell } from '../cell'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import { phaseLabel, type Action, type ContainerView } from '../model/containers'
import { partOf } from '../../resource/part'
import { PanelFrame } from '../page/PanelFrame'
import styles from './ContainerDrawer.module.css'
import { Overview } from './Overview'
import { PHASE_TONES } from './phase'
import { useActions } from './useActions'

const Figures = partOf('Opening the figures', async () => (await import('./Figures')).Figures)
const Logs = partOf('Opening the log', async () => (await import('./Logs')).Logs)

const TABS = ['Overview', 'Figures', 'Logs'] as const
type Tab = (typeof TABS)[number]

/** Everything about one container. */
export function ContainerDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { workspace } = useAround()
  const container = useCell(workspace.containers).get(id)
  const known = useCell(workspace.known)
  if (container === undefined) {
    return (
      <PanelFrame label="Container" title="Container" onClose={onClose}>
        {known ? (
          <p className={styles.gone}>This container was deleted.</p>
        ) : (
          <Spinner large label="Asking for the container" />
        )}
      </PanelFrame>
    )
  }
  return <Drawer container={container} onClose={onClose} />
}

function Drawer({ container, onClose }: { container: ContainerView; onClose: () => void }) {
  const [tab, setTab] = useState<Tab>('Overview')
  return (
    <PanelFrame
      label={container.name}
      title={container.name}
      onClose={onClose}
      wide={tab === 'Logs'}
      actions={
        <Badge dot tone={PHASE_TONES[container.phase]}>
          {phaseLabel(container)}
        </Badge>
      }
    >
      <Actions container={container} />
      <Tabs tab={tab} onChange={setTab} />
      <div role="tabpanel" id="container-panel" aria-labelledby={`container-tab-${tab}`} className={styles.panel}>
        {tab === 'Overview' && <Overview container={container} />}
        {tab === 'Figures' && <Figures container={container} />}
        {tab === 'Logs' && <Logs key={container.id} container={container} />}
      </div>
    </PanelFrame>
  )
}

const LABELS: Record<Action, string> = {
  start: 'Start',
  stop: 'Stop',
  restart: 'Restart',
  delete: 'Delete',
}

function Actions({ container }: { container: ContainerView }) {
  const { actions, run } = useActions(container, null)
  if (actions.length === 0) return null
  return (
    <div className={styles.actions}>
      {actions.map((action) => (
        <Button
          key={action}
          small
          variant={action === 'delete' ? 'quiet' : 'secondary'}
          className={classes(action === 'delete' && styles.delete)}
          onClick={() => run(action)}
          {...(action === 'start' ? { icon: 'play' as const } : {})}
          {...(action === 'stop' ? { icon: 'stop' as const } : {})}
          {...(action === 'delete' ? { icon: 'trash' as const } : {})}
        >
          {action === 'restart' && <Glyph name="restart" size={16} />}
          {LABELS[action]}
        </Button>
      ))}
    </div>
  )
}

function Tabs({ tab, onChange }: { tab: Tab; onChange: (tab: Tab) => void }) {
  const list = useRef<HTMLDivElement>(null)
  const steer = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] ?? tab
    onChange(next)
    list.current?.querySelector<HTMLElement>(`#container-tab-${next}`)?.focus()
  }
  return (
    <div
      ref={list}
      role="tablist"
      aria-label="Container"
      className={classes(tabs.tabs, styles.parts)}
      onKeyDown={steer}
    >
      {TABS.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`container-tab-${name}`}
          aria-selected={name === tab}
          aria-controls="container-panel"
          tabIndex={name === tab ? 0 : -1}
          onClick={() => onChange(name)}
        >
          {name}
        </button>
      ))}
    </div>
  )
}
