import type { Slot } from '../../api'
import { Ago, Badge, Button } from '../../design'
import { progress, slotLooks } from './slots'
import styles from './SlotTable.module.css'

interface SlotTableProps {
  slots: readonly Slot[]
  /** Names of organizations by id. */
  names: ReadonlyMap<string, string>
  onDrain: (slot: Slot) => void
}

/** One row a slot; on a narrow screen, one card. */
export function SlotTable({ slots, names, onDrain }: SlotTableProps) {
  return (
    // The roles are said again because a table that is laid out as cards loses them in some browsers.
    <table className={styles.table} role="table">
      <caption className="visually-hidden">Slots of the gateway pool</caption>
      <thead role="rowgroup">
        <tr role="row">
          {['Slot', 'State', 'Organization', 'Epoch', 'Step', 'Since', 'Last renewal'].map((name) => (
            <th key={name} role="columnheader" scope="col">
              {name}
            </th>
          ))}
          <th role="columnheader" scope="col">
            <span className="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {slots.map((slot) => (
          <Row
            key={slot.slot}
            slot={slot}
            name={slot.org === null ? undefined : names.get(slot.org)}
            onDrain={onDrain}
          />
        ))}
      </tbody>
    </table>
  )
}

interface RowProps {
  slot: Slot
  name: string | undefined
  onDrain: (slot: Slot) => void
}

function Row({ slot, name, onDrain }: RowProps) {
  const { label, tone } = slotLooks[slot.state]
  return (
    <tr role="row" data-slot={slot.slot}>
      <th role="rowheader" scope="row">
        {slot.slot}
        <span className={styles.place}>{slot.listen ?? 'in this process'}</span>
      </th>
      <td role="cell" data-label="State">
        <Badge tone={tone} dot>
          {label}
        </Badge>
      </td>
      <td role="cell" data-label="Organization" className={styles.org} title={slot.org ?? undefined}>
        {name ?? (slot.org === null ? <None /> : <code>{slot.org}</code>)}
      </td>
      <td role="cell" data-label="Epoch">
        {slot.epoch ?? <None />}
      </td>
      <td role="cell" data-label="Step">
        {slot.step === null ? <None /> : <Step step={slot.step} />}
      </td>
      <td role="cell" data-label="Since">
        {slot.since === null ? <None /> : <Ago at={slot.since} />}
      </td>
      <td role="cell" data-label="Last renewal">
        {slot.last_renewal === null ? <None /> : <Ago at={slot.last_renewal} />}
      </td>
      <td role="cell" className={styles.action}>
        {slot.state === 'allocated' && (
          <Button small icon="drain" onClick={() => onDrain(slot)}>
            Drain<span className="visually-hidden"> slot {slot.slot}</span>
          </Button>
        )}
      </td>
    </tr>
  )
}

function None() {
  return (
    <span className={styles.none}>
      <span aria-hidden="true">–</span>
      <span className="visually-hidden">none</span>
    </span>
  )
}

/** How far an allocation has come: its step, and where that is on the way. */
function Step({ step }: { step: string }) {
  const way = progress(step)
  return (
    <span className={styles.step}>
      {step}
      {way && (
        <span className={styles.bar} aria-hidden="true">
          {Array.from({ length: way.of }, (_, at) => (
            <span key={at} data-done={at < way.at} />
          ))}
        </span>
      )}
    </span>
  )
}
