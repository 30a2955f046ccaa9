import { expect, test } from 'vitest'
import { readContainer } from './containers'
import { containerNews, inShort, peopleNews } from './news'
import { readPerson } from './people'

const container = (id: string, phase: string, reason: object = {}) =>
  [id, readContainer(id, { spec: { name: id }, status: { phase, reason } })] as const

test('a phase that changed is told, with its reason; what stayed is not', () => {
  const before = new Map([container('a', 'starting'), container('b', 'running'), container('c', 'running')])
  const now = new Map([
    container('a', 'failed', { code: 'out_of_memory', text: '' }),
    container('b', 'running'),
    container('d', 'pending'),
  ])
  expect(containerNews(before, now)).toEqual([
    'a: Failed, It took more memory than it may have',
    'd: Pending',
    'c: Deleted',
  ])
})

test('people come and go once, however many tabs they open', () => {
  const ada = (client: number) => readPerson(client, { user: { id: 'u1', name: 'Ada' } })!
  const bob = readPerson(9, { user: { id: 'u2', name: 'Bob' } })!
  expect(peopleNews([ada(1)], [ada(1), ada(2), bob])).toEqual(['Bob is here'])
  expect(peopleNews([ada(1), ada(2), bob], [ada(2)])).toEqual(['Bob left'])
})

test('much at once is told in short', () => {
  expect(inShort([])).toBe('')
  expect(inShort(['a', 'b'])).toBe('a. b')
  expect(inShort(['a', 'b', 'c', 'd'])).toBe('4 things changed')
})
