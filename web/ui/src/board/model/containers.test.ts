import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { actionsFor, phaseLabel, PHASES, readContainer, readPresent, reasonText } from './containers'
import { plainEntries } from './entries'
import { matcher } from './filter'
import { readImage } from './images'
import { expect as expectAction, foresee, forget } from './optimism'
import { slugPreview } from './slug'

const ID = 'uc_0123456789abcdef'
const whole = {
  spec: {
    name: 'Notebook',
    slug: 'notebook-abc123',
    image: 'jupyter:minimal',
    runner: null,
    env: { TZ: 'UTC', TOKEN: { secret: 'sec_1' } },
    limits: { cpus: 2, memory_mb: 4096, pids: 512 },
    services_declared: ['lab', 'api'],
    desired: 'running',
    generation: 1,
    created_by: 'u1',
    created_at: '2026-11-21T20:00:00.000Z',
  },
  status: {
    phase: 'running',
    observed_generation: 1,
    reason: { code: null, text: null },
    since: '2026-11-21T20:01:00.000Z',
    services: {
      api: { url: 'http://uc-x--api.org-y.localhost/', state: 'up' },
      extra: { url: 'javascript:alert(1)', state: 'up' },
      lab: { url: 'http://uc-x--lab.org-y.localhost/', state: 'up' },
    },
  },
}

test('a container as the gateway writes it', () => {
  const container = readContainer(ID, whole)
  expect(container).toMatchObject({ id: ID, name: 'Notebook', phase: 'running', reason: null, stopAt: null })
  expect(container.env).toEqual([
    { name: 'TZ', value: 'UTC' },
    { name: 'TOKEN', value: null },
  ])
  expect(container.services.map((service) => service.name)).toEqual(['lab', 'api', 'extra'])
  expect(container.services[2]?.url).toBeNull()
  expect(container.url).toBe('http://uc-x--lab.org-y.localhost/')
})

test('as much as there is of it, whatever another version wrote', () => {
  for (const odd of [null, undefined, 7, 'text', [], {}, { spec: 1, status: [] }]) {
    expect(readContainer(ID, odd)).toMatchObject({ id: ID, name: ID, phase: 'pending', services: [], env: [] })
  }
  const later = readContainer(ID, {
    status: { phase: 'hibernating', services: { web: null }, reason: { code: 'new' } },
  })
  expect([later.phase, phaseLabel(later), reasonText(later)]).toEqual(['unknown', 'Hibernating', 'new'])
  expect(later.services).toEqual([{ name: 'web', url: null, state: 'withdrawn' }])
})

test('every phase has things to do, but for those that are gone', () => {
  const actions = (phase: (typeof PHASES)[number], desired = 'running') => actionsFor({ phase, desired })
  expect(actions('running')).toEqual(['stop', 'restart', 'delete'])
  expect(actions('failed')).toEqual(['start', 'delete'])
  expect(actions('pending', 'stopped')).toEqual(['start', 'delete'])
  expect(actions('deleted')).toEqual([])
  expect(actions('running', 'deleted')).toEqual([])
})

test('a command shows at once, and goes when it is refused or the gateway has decided', () => {
  const running = readContainer(ID, whole)
  const expected = expectAction(new Map(), running, 'stop')
  expect(foresee(running, expected)).toMatchObject({ phase: 'stopping', desired: 'stopped' })
  expect(foresee(running, forget(expected, ID))).toBe(running)
  const decided = { ...running, since: '2026-11-21T20:05:00.000Z' }
  expect(foresee(decided, expected)).toBe(decided)
})

test('each action shows as what it will become', () => {
  const container = readContainer(ID, { ...whole, status: { ...whole.status, reason: { code: 'exited', text: '' } } })
  const after = (action: Parameters<typeof expectAction>[2]) => {
    const { phase, desired, reason } = foresee(container, expectAction(new Map(), container, action))
    expect(reason, 'the last reason explains nothing of this').toBeNull()
    return [phase, desired]
  }
  expect(after('start')).toEqual(['pending', 'running'])
  expect(after('stop')).toEqual(['stopping', 'stopped'])
  expect(after('restart')).toEqual(['stopping', 'running'])
  expect(after('delete')).toEqual(['stopping', 'deleted'])
})

test('phases and reasons are words', () => {
  const words = (phase: string, code: string | null, text = '') => {
    const container = readContainer(ID, { status: { phase, reason: { code, text } } })
    return [phaseLabel(container), reasonText(container)]
  }
  expect(words('running', null)).toEqual(['Running', null])
  expect(words('stopped', 'manual')).toEqual(['Stopped', null])
  expect(words('failed', 'out_of_memory')).toEqual(['Failed', 'It took more memory than it may have'])
  expect(words('failed', 'exited', 'code 3')).toEqual(['Failed', 'The program ended: code 3'])
  expect(words('failed', 'of_tomorrow', 'It rained')).toEqual(['Failed', 'It rained'])
})

test('a document of containers is read again only where it changed', () => {
  const doc = new Y.Doc()
  const deep = (value: object): Y.Map<unknown> =>
    new Y.Map(
      Object.entries(value).map(([key, each]: [string, unknown]) => [
        key,
        each !== null && typeof each === 'object' && !Array.isArray(each) ? deep(each) : each,
      ]),
    )
  const root = doc.getMap<Y.Map<unknown>>('userContainers')
  const entries = plainEntries(doc, 'userContainers', readPresent)
  root.set('uc_a', deep(whole))
  root.set('uc_b', deep(whole))
  const before = entries.views.get()
  const status = root.get('uc_b')?.get('status') as Y.Map<unknown>
  status.set('phase', 'unhealthy')
  expect(entries.views.get().get('uc_a')).toBe(before.get('uc_a'))
  expect(entries.views.get().get('uc_b')?.phase).toBe('unhealthy')
  root.delete('uc_a')
  expect([...entries.views.get().keys()]).toEqual(['uc_b'])
  // What was deleted still stands there for a while.
  status.set('phase', 'deleted')
  expect(entries.views.get().size).toBe(0)
})

test('images, with variables by name or as a list', () => {
  const variable = { description: 'd', required: true, secret: true }
  const read = { name: 'A', description: 'd', required: true, secret: true, default: null }
  expect(readImage('i', { env: { A: variable }, open: true })).toMatchObject({ env: [read], generic: true, name: 'i' })
  expect(readImage('i', { env: [{ name: 'A', ...variable }, 7], services: ['web', { name: 'api' }, 1] })).toMatchObject(
    {
      env: [read],
      services: ['web', 'api'],
      generic: false,
    },
  )
})

test('slugs are as the gateway makes them', () => {
  for (const [name, slug] of [
    ['Été 2026 flows', 't-2026-flows'],
    ['  Notebook!  ', 'notebook'],
    ['', 'container'],
    ['日本', 'container'],
    ['7 days', 'c-7-days'],
    ['org-wide', 'c-org-wide'],
    ['organ', 'organ'],
    ['uc', 'c-uc'],
    ['x'.repeat(60), 'x'.repeat(40)],
  ] as const) {
    expect(slugPreview(name)).toBe(slug)
  }
})

test('500 containers are filtered by every word', () => {
  const all = Array.from({ length: 500 }, (_, at) => ({ name: `Notebook ${at}`, image: at % 2 ? 'jupyter' : 'n8n' }))
  const matches = matcher(' NOTEBOOK  n8n 49')
  expect(all.filter(({ name, image }) => matches(name, image)).map(({ name }) => name)).toHaveLength(5)
  expect(all.filter(({ name }) => matcher('')(name))).toHaveLength(500)
})
