import { afterEach, expect, test, vi } from 'vitest'
import { ApiError } from '../../api'
import { Access } from './access'
import { ganymede } from './ganymede'
import { Replica } from './replica'

/** As much of a browser's socket as providers use. */
class Wire {
  static all: Wire[] = []
  readyState = 0
  onclose: ((event: { code: number }) => void) | null = null
  constructor(readonly url: string) {
    Wire.all.push(this)
  }
  close(): void {
    this.readyState = 3
  }
  ends(code: number): void {
    this.onclose?.({ code })
  }
}

const last = () => Wire.all.at(-1)

afterEach(() => {
  Wire.all = []
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const gateway = { gateway_url: 'http://o', ws_url: 'ws://o' }

test('what is too large is not sent again and again, but when somebody says so', async () => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Wire)
  let tokens = 0
  const access = new Access(
    {
      start: () => Promise.resolve(gateway),
      token: () => Promise.resolve({ access_token: `t${(tokens += 1)}`, expires_in: 100 }),
      final: (error) => ganymede.final(error),
    },
    'p',
  )
  await access.revive()
  const closed = vi.fn()
  const events = { refused: () => undefined, closed }
  const replica = new Replica({ access, gateway, project: 'p', name: 'system', keptAs: null, events })
  last()?.ends(1009)
  expect(replica.state.get().tooLarge).toBe(true)
  await vi.advanceTimersByTimeAsync(300_000)
  replica.probe()
  expect(tokens).toBeGreaterThan(2)
  expect(Wire.all).toHaveLength(1)
  expect(closed, 'the board does not end').not.toHaveBeenCalled()

  replica.resume()
  expect(Wire.all).toHaveLength(2)
  expect(replica.state.get().tooLarge).toBe(false)
  replica.dispose()
  access.close()
})

test('a connection that was ended comes back with the next token, however long that is not to be had', async () => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Wire)
  let down = false
  let tokens = 0
  const refused = () => Promise.reject(new ApiError('RATE_LIMITED', 'no', 429))
  const access = new Access(
    {
      start: () => (down ? refused() : Promise.resolve(gateway)),
      token: () => (down ? refused() : Promise.resolve({ access_token: `t${(tokens += 1)}`, expires_in: 900 })),
      final: (error) => ganymede.final(error),
    },
    'p',
  )
  await access.revive()
  const closed = vi.fn(async () => {
    if (await access.revive()) replica.resume()
  })
  const events = { refused: () => undefined, closed: () => void closed() }
  const replica = new Replica({ access, gateway, project: 'p', name: 'system', keptAs: null, events })
  expect(last()?.url).toContain('token=t1')

  down = true
  last()?.ends(4401)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(closed).toHaveBeenCalledOnce()
  expect(Wire.all).toHaveLength(1)
  down = false
  await vi.advanceTimersByTimeAsync(3_000)
  expect(Wire.all).toHaveLength(2)
  expect(last()?.url).toContain('token=t2')
  replica.resume()
  expect(Wire.all, 'once is enough').toHaveLength(2)

  replica.dispose()
  replica.resume()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(Wire.all, 'an end is an end').toHaveLength(2)
  access.close()
})
