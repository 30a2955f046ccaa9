// @vitest-environment jsdom
import { expect, test } from 'vitest'
import type { Status } from '../connection/status'
import { wordsOf } from './StatusBadge'

test('every state of the connection has words, and says how much is not saved', () => {
  const check = (status: Status, tone: string, text: string) => expect(wordsOf(status)).toMatchObject({ tone, text })
  check({ kind: 'connecting' }, 'plain', 'Connecting')
  check({ kind: 'live' }, 'good', 'Live')
  check({ kind: 'saving', unsaved: 2 }, 'plain', 'Saving')
  check({ kind: 'saved' }, 'good', 'Saved')
  check({ kind: 'reconnecting', unsaved: 2 }, 'warn', 'Reconnecting')
  check({ kind: 'offline', unsaved: 0 }, 'warn', 'Offline')
  check({ kind: 'offline', unsaved: 1 }, 'warn', 'Offline, 1 unsaved change')
  check({ kind: 'offline', unsaved: 7 }, 'warn', 'Offline, 7 unsaved changes')
  check({ kind: 'stuck', documents: ['board'], unsaved: 7 }, 'bad', 'Not saved')
  check({ kind: 'ended', why: 'gone' }, 'bad', 'Access ended')
})
