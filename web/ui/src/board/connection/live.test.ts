import * as encoding from 'lib0/encoding'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Access } from './access'
import { Live } from './live'

/** As much of a browser's socket as live figures use. */
class Wire {
  static all: Wire[] = []
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: (() => void) | null = null
  constructor() {
    Wire.all.push(this)
  }
  close(): void {
    this.onclose?.()
  }
  hears(message: object): void {
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, 100)
    encoding.writeVarString(encoder, JSON.stringify(message))
    this.onmessage?.({ data: encoding.toUint8Array(encoder).slice().buffer })
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Wire)
  Wire.all = []
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A way to the gateway, once there is one. */
function accessOf(way: { open: boolean }): Access {
  const known = <T>(value: T) => ({ get: () => (way.open ? value : null) })
  return {
    fresh: () => Promise.resolve(way.open),
    gateway: known({ ws_url: 'ws://o' }),
    token: known('t'),
  } as unknown as Access
}

const cpu = (cpu: number) => ({ type: 'container', id: 'uc_1', cpu })
const shown = (live: Live) =>
  live.figures
    .get()
    .get('uc_1')
    ?.map(({ cpu }) => cpu)

test('who looks while there is no way to the gateway sees figures as soon as there is one', async () => {
  const way = { open: false }
  const live = new Live(accessOf(way), 'p')
  const stop = live.listen()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(Wire.all).toHaveLength(0)
  way.open = true
  await vi.advanceTimersByTimeAsync(2_000)
  expect(Wire.all).toHaveLength(1)
  stop()
  expect(vi.getTimerCount()).toBe(0)
})

test('figures of long ago are no history, and nobody sees them as what is so now', async () => {
  const live = new Live(accessOf({ open: true }), 'p')
  let stop = live.listen()
  await vi.advanceTimersByTimeAsync(0)
  Wire.all[0]?.hears(cpu(1))
  await vi.advanceTimersByTimeAsync(1_000)
  Wire.all[0]?.hears(cpu(2))
  expect(shown(live)).toEqual([1, 2])

  // Stopped, and started again much later.
  await vi.advanceTimersByTimeAsync(60_000)
  Wire.all[0]?.hears(cpu(3))
  expect(shown(live)).toEqual([3])

  // From one tab of the drawer to the next.
  stop()
  stop = live.listen()
  await vi.advanceTimersByTimeAsync(0)
  Wire.all[1]?.hears(cpu(4))
  expect(shown(live)).toEqual([3, 4])

  stop()
  await vi.advanceTimersByTimeAsync(60_000)
  stop = live.listen()
  expect(shown(live)).toBeUndefined()
  stop()
})
