import { expect, test } from 'vitest'
import type { Slot, SlotState } from '../../api'
import { progress, slotCounts } from './slots'

function slot(slot: number, state: SlotState): Slot {
  const empty = { listen: null, org: null, epoch: null, step: null, since: null, last_renewal: null }
  return { slot, state, gateway_id: 'g', ...empty }
}

test('slots are counted by state, and free ones always', () => {
  const slots = [slot(1, 'allocated'), slot(2, 'ready'), slot(3, 'allocated'), slot(4, 'lost')]
  expect(slotCounts(slots)).toEqual([
    { label: 'free', count: 1 },
    { label: 'allocated', count: 2 },
    { label: 'lost', count: 1 },
  ])
  expect(slotCounts([slot(1, 'draining')])).toEqual([
    { label: 'free', count: 0 },
    { label: 'draining', count: 1 },
  ])
})

test('a step that is none of the way has no progress', () => {
  expect(progress('reserved')).toEqual({ at: 1, of: 6 })
  expect(progress('serving')).toEqual({ at: 6, of: 6 })
  expect(progress('draining')).toBeUndefined()
})
