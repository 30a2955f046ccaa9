import { expect, test } from 'vitest'
import { pageAt, paths, safeReturn } from './paths'

test('each path that the client makes is one that it reads', () => {
  expect(pageAt(paths.home())).toEqual({ name: 'home' })
  expect(pageAt(paths.org('o'))).toEqual({ name: 'org', org: 'o' })
  expect(pageAt(paths.members('o'))).toEqual({ name: 'members', org: 'o' })
  expect(pageAt(paths.board('p'))).toEqual({ name: 'board', project: 'p' })
  expect(pageAt(paths.account())).toEqual({ name: 'account' })
  expect(pageAt(paths.pool())).toEqual({ name: 'pool' })
  for (const path of [paths.signIn(), paths.signUp()]) expect(path).toBe(`/${pageAt(path).name}`)
})

test('everything else is no page', () => {
  for (const path of [
    '/orgs',
    '/orgs/o/projects',
    '/projects/p',
    '/projects/p/board/x',
    '/api/orgs',
    '/home',
    '/Pool',
  ]) {
    expect(pageAt(path), path).toEqual({ name: 'unknown' })
  }
})

test('signing in leads back where one was, and home if that is where one was', () => {
  expect(paths.signIn('/')).toBe('/sign-in')
  const search = new URL(paths.signIn('/orgs/o?a=b c&d'), 'https://orrery.example').search
  expect(safeReturn(search, 'https://orrery.example')).toBe('/orgs/o?a=b%20c&d')
})

test('a path that nobody encoded is taken with all of its query', () => {
  const path = '/gate/authorize?host=uc-x.org-y.example&nonce=1&return=/tree'
  expect(safeReturn(`?return=${path}`, 'https://orrery.example')).toBe(path)
  expect(safeReturn('?return=//evil.example/&return=/', 'https://orrery.example')).toBe('/')
})

test('signing in leads to no other host', () => {
  const origin = 'https://orrery.example'
  const check = (wanted: string, expected: string) => {
    expect(safeReturn(`?return=${encodeURIComponent(wanted)}`, origin), wanted).toBe(expected)
  }
  check('/gate/authorize?host=uc-x.org-y.example&nonce=1', '/gate/authorize?host=uc-x.org-y.example&nonce=1')
  const elsewhere = [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    'evil',
    '',
    '/\t/evil.example',
    '/.//evil.example/',
    '/a/..//evil.example/',
    '/%2e//evil.example/',
    '/.//\\evil.example/',
  ]
  for (const wanted of elsewhere) check(wanted, '/')
  expect(safeReturn('', origin)).toBe('/')
})
