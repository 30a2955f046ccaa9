import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Access, type AccessApi } from './access'
import { command } from './commands'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const api: AccessApi = {
  start: () => Promise.resolve({ gateway_url: 'http://o/-/gw/org-1', ws_url: 'ws://o/-/gw/org-1/collab' }),
  token: () => Promise.resolve({ access_token: 'token', expires_in: 100 }),
  final: () => null,
}

/** Gives a command to a gateway that answers so, one answer a time; which keys it was sent under, and what came of it. */
async function give(...answers: [status: number, body: unknown][]) {
  const keys = new Set<unknown>()
  let asked = 0
  vi.stubGlobal('fetch', (_path: string, { body }: { body: string }) => {
    keys.add((JSON.parse(body) as { idempotency_key: unknown }).idempotency_key)
    const [status, answer] = answers[asked++] ?? [500, null]
    return Promise.resolve(new Response(JSON.stringify(answer), { status }))
  })
  const access = new Access(api, 'p1')
  const given = command(access, 'p1', { type: 'user-container:start', user_container_id: 'uc_1' }).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  )
  await vi.advanceTimersByTimeAsync(10_000)
  access.close()
  return { ...(await given), asked, keys: keys.size }
}

const refused = (status: number, code: string): [number, unknown] => [status, { error: { code, message: 'no' } }]

test('a command that meets a gateway on its way to another slot is given again, as the same one', async () => {
  for (const code of ['GATEWAY_MOVING', 'GATEWAY_UNREACHABLE', 'ORRERY_UNREACHABLE', 'GATEWAY_NOT_RUNNING']) {
    const told = await give(refused(503, code), [200, { result: 'started' }])
    expect(told, code).toEqual({ result: 'started', asked: 2, keys: 1 })
  }
})

test('a command that is refused is not given again, and none for ever', async () => {
  expect(await give(refused(409, 'CONFLICT'))).toMatchObject({ error: { code: 'CONFLICT' }, asked: 1 })
  const moving = refused(503, 'GATEWAY_MOVING')
  expect(await give(moving, moving, moving, moving)).toMatchObject({ error: { code: 'GATEWAY_MOVING' }, asked: 3 })
})
