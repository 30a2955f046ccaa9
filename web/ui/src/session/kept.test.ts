import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { unsavedKept } from './kept'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('storage that does not answer keeps nobody from signing out', async () => {
  const databases = () => Promise.resolve([{ name: 'orrery/ada/p/board' }])
  vi.stubGlobal('indexedDB', { databases, open: () => ({}) })
  const unsaved = unsavedKept('ada')
  await vi.runAllTimersAsync()
  expect(await unsaved).toBe(0)
})

test('what is gone since it was listed is not made anew by looking', async () => {
  const abort = vi.fn()
  const databases = () => Promise.resolve([{ name: 'orrery/ada/p/board' }, { name: 'orrery/charles/p/board' }])
  const requests: { transaction: { abort: () => void }; onupgradeneeded?: () => void; onerror?: () => void }[] = []
  const open = (name: string) => {
    expect(name).toBe('orrery/ada/p/board')
    const request = { transaction: { abort }, error: new Error('aborted') }
    requests.push(request)
    return request
  }
  vi.stubGlobal('indexedDB', { databases, open })
  const unsaved = unsavedKept('ada')
  await vi.advanceTimersByTimeAsync(0)
  requests[0]?.onupgradeneeded?.()
  expect(abort).toHaveBeenCalledOnce()
  requests[0]?.onerror?.()
  await vi.runAllTimersAsync()
  expect(await unsaved).toBe(0)
})
