import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { follow, throttle } from './motion'
import { freePlace } from './place'
import { readPerson, readPointer } from './people'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what others move comes nearer with time, and arrives', () => {
  let at = { x: 0, y: 0 }
  const target = { x: 100, y: 50 }
  let steps = 0
  while (at.x !== target.x || at.y !== target.y) {
    const next = follow(at, target, 16)
    expect(next.x).toBeGreaterThan(at.x)
    at = next
    steps += 1
    expect(steps).toBeLessThan(60)
  }
  expect(steps).toBeGreaterThan(5)
  expect(follow({ x: 0, y: 0 }, { x: 9_000, y: 0 }, 16)).toEqual({ x: 9_000, y: 0 })
})

test('calls are held to their pace, and the last one is never lost', () => {
  const calls: number[] = []
  const call = throttle(50, (value: number) => calls.push(value))
  for (const value of [1, 2, 3]) call(value)
  expect(calls).toEqual([1])
  vi.advanceTimersByTime(50)
  expect(calls).toEqual([1, 3])
  call(4)
  call.cancel()
  vi.advanceTimersByTime(100)
  expect(calls).toEqual([1, 3])
})

test('something new finds a place of its own', () => {
  const size = { width: 100, height: 50 }
  const taken: { x: number; y: number; width: number; height: number }[] = []
  for (let count = 0; count < 40; count += 1) {
    const at = freePlace({ x: 0, y: 0 }, size, taken)
    const overlaps = taken.some((box) => Math.abs(box.x - at.x) < 100 && Math.abs(box.y - at.y) < 50)
    expect(overlaps).toBe(false)
    taken.push({ ...at, ...size })
  }
  expect(taken[0]).toMatchObject({ x: -50, y: -25 })
})

test('people say who they are, or are not there', () => {
  expect(readPerson(1, { user: { id: 'u', name: ' Ada ', color: 'red' }, selected: ['a', 7], open: 3 })).toMatchObject({
    client: 1,
    id: 'u',
    name: 'Ada',
    selected: ['a'],
    open: null,
  })
  expect(readPerson(1, { user: { name: 'x'.repeat(99) } })?.name).toHaveLength(40)
  for (const nobody of [null, {}, { user: 'Ada' }, { user: { name: '  ' } }]) expect(readPerson(1, nobody)).toBeNull()
  expect(readPointer({ pointer: { x: 1, y: 2 } })).toEqual({ x: 1, y: 2 })
  expect(readPointer({ pointer: { x: 1, y: Infinity } })).toBeNull()
})
