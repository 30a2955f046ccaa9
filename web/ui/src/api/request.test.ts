import { afterEach, expect, test, vi } from 'vitest'
import { askEarly, onSessionEnd, request } from './request'

afterEach(() => vi.unstubAllGlobals())

/** Answers questions by number; says which there were. */
function api(status: (question: string) => number = () => 200): string[] {
  const asked: string[] = []
  vi.stubGlobal('fetch', (path: string, { method }: { method: string }) => {
    const question = `${method} ${path}`
    const body = JSON.stringify({ number: asked.push(question) })
    return Promise.resolve(new Response(body, { status: status(question) }))
  })
  return asked
}

test('what was asked early is answered to whoever asks it first, and to nobody else', async () => {
  const asked = api()
  askEarly(() => [request('GET', '/a'), request('POST', '/a')])
  expect(asked).toEqual(['GET /a', 'POST /a'])
  expect(await request('POST', '/a')).toEqual({ number: 2 })
  expect(await request('GET', '/b')).toEqual({ number: 3 })
  expect(await request('GET', '/a')).toEqual({ number: 1 })
  expect(await request('GET', '/a')).toEqual({ number: 4 })
})

test('a refusal that was asked for early is told to who asks, and is no news before', async () => {
  api(() => 503)
  askEarly(() => [request('GET', '/a')])
  await new Promise(setImmediate)
  await expect(request('GET', '/a')).rejects.toMatchObject({ status: 503 })
})

test('whoever signs in gets nothing that was asked before', async () => {
  const ended = vi.fn()
  const stop = onSessionEnd(ended)
  const asked = api((question) => (question.endsWith('/me') ? 401 : 200))
  askEarly(() => [request('GET', '/api/auth/me'), request('GET', '/a')])
  await expect(request('GET', '/api/auth/me')).rejects.toMatchObject({ status: 401 })
  await request('GET', '/a')
  expect(asked).toEqual(['GET /api/auth/me', 'GET /a', 'GET /a'])
  expect(ended).not.toHaveBeenCalled()
  stop()
})

test('an answer that is none of ours is a refusal, not a fault of the page', async () => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('<h1>Sign in to this network</h1>')))
  await expect(request('GET', '/a')).rejects.toMatchObject({ code: 'INTERNAL', status: 200 })
})
