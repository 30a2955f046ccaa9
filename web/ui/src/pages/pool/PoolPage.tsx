import { useCallback, useState } from 'react'
import { orgs, pool, type Slot, type User } from '../../api'
import { ConfirmDialog, Empty, LinkButton, Page, useToast } from '../../design'
import { useResource, useWhileVisible, valueOf } from '../../resource'
import { Loading } from '../../resource/Loading'
import { paths } from '../../router'
import { slotCounts } from './slots'
import { SlotTable } from './SlotTable'
import styles from './PoolPage.module.css'

/** How often the pool is asked for again. Leases are renewed every five seconds. */
const refreshMs = 2_000

/** Every slot of the gateway pool, for administrators. */
export default function PoolPage({ user }: { user: User }) {
  if (user.administrator) return <Pool />
  return (
    <Page title="Gateway pool" lead="Only an administrator sees the gateway pool.">
      <LinkButton to={paths.home()}>Your organizations</LinkButton>
    </Page>
  )
}

function Pool() {
  const loaded = useResource(pool.slots)
  useWhileVisible(loaded.refresh, refreshMs)
  const names = useOrgNames()
  const [draining, setDraining] = useState<Slot>()
  return (
    <Page
      title="Gateway pool"
      lead="A slot is room for the gateway of one organization. Slots are never bound to one: an organization gets a free slot when somebody opens a project, and leaves it when nobody works there."
    >
      <Loading of={loaded} label="Looking up the pool">
        {(slots) =>
          slots.length === 0 ? (
            <Empty title="No slot in the pool">
              No gateway has announced itself. Start one with <code>orrery pool create</code>.
            </Empty>
          ) : (
            <>
              <dl className={styles.counts}>
                {slotCounts(slots).map(({ label, count }) => (
                  <div key={label}>
                    <dt>{label}</dt>
                    <dd>{count}</dd>
                  </div>
                ))}
              </dl>
              <SlotTable slots={slots} names={names} onDrain={setDraining} />
            </>
          )
        }
      </Loading>
      {draining && (
        <DrainDialog
          slot={draining}
          name={draining.org === null ? undefined : (names.get(draining.org) ?? 'Its organization')}
          onDrained={loaded.reload}
          onClose={() => setDraining(undefined)}
        />
      )}
    </Page>
  )
}

/** Names of organizations, as far as the administrator is a member of them. */
function useOrgNames(): ReadonlyMap<string, string> {
  const load = useCallback(
    async (signal: AbortSignal) => new Map((await orgs.list(signal)).map(({ id, name }) => [id, name])),
    [],
  )
  return valueOf(useResource(load).state) ?? new Map<string, string>()
}

interface DrainDialogProps {
  slot: Slot
  /** The organization in it, if there is one. */
  name: string | undefined
  onDrained: () => void
  onClose: () => void
}

function DrainDialog({ slot, name, onDrained, onClose }: DrainDialogProps) {
  const toast = useToast()
  const drain = async () => {
    const { allocation } = await pool.drain(slot.slot)
    onDrained()
    toast.done(
      allocation === null
        ? `Slot ${slot.slot} is empty`
        : `Slot ${slot.slot} is empty; its organization is in slot ${allocation.slot} now`,
    )
  }
  return (
    <ConfirmDialog title={`Drain slot ${slot.slot}?`} action="Drain slot" onConfirm={drain} onClose={onClose}>
      {name === undefined ? (
        <p>Nobody is served there now. The slot takes no organization until its gateway starts anew.</p>
      ) : (
        <p>
          {name} moves to another slot. People who work there are connected anew within seconds; nothing that was saved
          is lost.
        </p>
      )}
    </ConfirmDialog>
  )
}
