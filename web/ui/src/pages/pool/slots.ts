import type { Slot, SlotState } from '../../api'
import type { Tone } from '../../design'

/** What each state of a slot is called, and how it looks. */
export const slotLooks: Record<SlotState, { label: string; tone: Tone }> = {
  ready: { label: 'Free', tone: 'good' },
  allocated: { label: 'Allocated', tone: 'info' },
  draining: { label: 'Draining', tone: 'warn' },
  lost: { label: 'Lost', tone: 'bad' },
}

/** The steps of an allocation, as `protocol/src/allocation.rs` names them, in their order. */
const steps = ['reserved', 'routed', 'named', 'handshaken', 'pulled', 'serving']

/** How far an allocation has come, of how many steps; `undefined` for a step that this client does not know. */
export function progress(step: string): { at: number; of: number } | undefined {
  const at = steps.indexOf(step) + 1
  return at === 0 ? undefined : { at, of: steps.length }
}

/** How many slots are in each state; states that no slot is in are left out, but for free ones. */
export function slotCounts(slots: readonly Slot[]): { label: string; count: number }[] {
  const states = Object.keys(slotLooks) as SlotState[]
  return states
    .map((state) => ({ state, count: slots.filter((slot) => slot.state === state).length }))
    .filter(({ state, count }) => count > 0 || state === 'ready')
    .map(({ state, count }) => ({ label: slotLooks[state].label.toLowerCase(), count }))
}
