import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import { readLive } from './live'
import { EventReader, linesOf } from './logs'
import { ephemeralOf } from './wire'

function message(type: number, json: string): ArrayBuffer {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, type)
  encoding.writeVarString(encoder, json)
  return encoding.toUint8Array(encoder).slice().buffer
}

test('of what comes over the socket of figures, only ephemeral messages are read', () => {
  expect(ephemeralOf(message(100, '{"type":"pull"}'))).toEqual({ type: 'pull' })
  expect(ephemeralOf(message(100, 'no json'))).toBeNull()
  expect(ephemeralOf(message(1, '{"type":"pull"}'))).toBeNull()
  expect(ephemeralOf(new ArrayBuffer(0))).toBeNull()
})

test('figures and pulls; what is missing is nought, what is unknown is nothing', () => {
  expect(readLive({ type: 'container', id: 'uc_1', cpu: 0.5, memory_bytes: 7, heartbeat_age_ms: null }, 1)).toEqual({
    id: 'uc_1',
    figures: {
      at: 1,
      cpu: 0.5,
      memory: 7,
      memoryLimit: 0,
      received: 0,
      transmitted: 0,
      read: 0,
      written: 0,
      processes: 0,
      heartbeatAge: null,
    },
  })
  expect(readLive({ type: 'pull', id: 'uc_1', image: 'x', percent: 250 }, 1)).toEqual({
    id: 'uc_1',
    pull: { image: 'x', percent: 100 },
  })
  for (const other of [null, 7, {}, { type: 'container' }, { type: 'later', id: 'uc_1' }]) {
    expect(readLive(other, 1)).toBeNull()
  }
})

test('a stream is cut into events wherever its pieces end', () => {
  const text = ': hello\n\nid: 1\ndata: one\n\nid: 2\r\nevent: end\r\ndata: two\r\ndata: three\r\n\r\ndata: not whole'
  const expected = [
    { id: '1', type: 'message', data: 'one' },
    { id: '2', type: 'end', data: 'two\nthree' },
  ]
  expect(new EventReader().push(text)).toEqual(expected)
  const reader = new EventReader()
  expect([...text].flatMap((letter) => reader.push(letter))).toEqual(expected)
})

test('log lines are plain, or say where they come from', () => {
  const lines = (data: string, type = 'message') => linesOf({ id: null, type, data })
  expect(lines('a\nb').map((line) => line.text)).toEqual(['a', 'b'])
  expect(lines('{"text":"x\\n"}', 'stderr')).toEqual([{ text: 'x', stream: 'stderr' }])
  expect(lines('{"level":"info"}').map((line) => line.text)).toEqual(['{"level":"info"}'])
  expect(lines('{"broken').map((line) => line.text)).toEqual(['{"broken'])
})
