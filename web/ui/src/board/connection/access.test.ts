import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError } from '../../api'
import { Access, type AccessApi } from './access'
import { ganymede } from './ganymede'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const gateway = { gateway_url: 'http://o/-/gw/org-1', ws_url: 'ws://o/-/gw/org-1/collab' }

/** Ganymede as far as an access asks it: how often, and with which answer. */
function accessOf(answers: Partial<AccessApi> = {}) {
  const asked = { start: 0, token: 0 }
  const api: AccessApi = {
    start: () => Promise.resolve((asked.start += 1)).then(() => gateway),
    token: () => Promise.resolve({ access_token: `token ${(asked.token += 1)}`, expires_in: 100 }),
    final: (error) => ganymede.final(error),
    ...answers,
  }
  return { access: new Access(api, 'p1'), asked }
}

test('several who ask at once ask once', async () => {
  const { access, asked } = accessOf()
  expect(await Promise.all([access.revive(), access.revive(), access.fresh()])).toEqual([true, true, true])
  expect(asked).toEqual({ start: 1, token: 1 })
  expect([access.gateway.get(), access.token.get()]).toEqual([gateway, 'token 1'])
})

test('a token that still holds is not asked for again, one that is about to end is', async () => {
  const { access, asked } = accessOf()
  await access.revive()
  vi.setSystemTime(Date.now() + 94_000)
  await access.fresh()
  expect(asked.token).toBe(1)
  vi.setSystemTime(Date.now() + 2_000)
  await access.fresh()
  expect(asked, 'the gateway is where it was').toEqual({ start: 1, token: 2 })
})

test('a token is renewed long before it ends, again and again', async () => {
  const { access, asked } = accessOf()
  await access.revive()
  await vi.advanceTimersByTimeAsync(69_000)
  expect(asked.token).toBe(1)
  for (const times of [2, 3, 4]) {
    await vi.advanceTimersByTimeAsync(70_000)
    expect([asked, access.token.get()]).toEqual([{ start: 1, token: times }, `token ${times}`])
  }
  access.close()
})

test('a token is renewed in time though the project could not be started meanwhile', async () => {
  let full = false
  const refused = () => Promise.reject(new ApiError('POOL_EXHAUSTED', 'no', 503))
  const { access, asked } = accessOf({ start: () => (full ? refused() : Promise.resolve(gateway)) })
  await access.revive()
  full = true
  expect(await access.revive()).toBe(false)
  await vi.advanceTimersByTimeAsync(3_000)
  const { token } = asked
  await vi.advanceTimersByTimeAsync(70_000)
  expect(asked.token).toBe(token + 1)
  access.close()
})

test('what may pass is tried again, what is final ends it', async () => {
  const failing = (status: number) => accessOf({ start: () => Promise.reject(new ApiError('X', 'no', status)) }).access
  for (const [status, why] of [
    [401, 'signed-out'],
    [403, 'no-access'],
    [404, 'gone'],
  ] as const) {
    const access = failing(status)
    expect(await access.revive()).toBe(false)
    expect(access.ended.get()).toBe(why)
    expect(await access.revive(), 'an end is an end').toBe(false)
  }
  for (const status of [0, 429, 500, 503]) {
    const access = failing(status)
    expect(await access.revive()).toBe(false)
    expect(access.ended.get()).toBeNull()
    expect(access.problem.get()).toMatchObject({ status })
  }
})

test('it comes back by itself, and then says nothing of a problem any more', async () => {
  let down = true
  const { access } = accessOf({
    start: () => (down ? Promise.reject(new ApiError('POOL_EXHAUSTED', 'no', 503)) : Promise.resolve(gateway)),
  })
  await access.revive()
  down = false
  await vi.advanceTimersByTimeAsync(3_000)
  expect([access.gateway.get(), access.problem.get()]).toEqual([gateway, null])
  access.close()
  expect(vi.getTimerCount()).toBe(0)
})
