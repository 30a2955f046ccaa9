import { afterEach, expect, test, vi } from 'vitest'
import { Gate, watchedSocket, type Sent } from './wire'

afterEach(() => vi.unstubAllGlobals())

type Listener = ((event: { data: unknown }) => void) | null

/** As much of a browser's socket as providers use. */
class Wire {
  #opened: Listener = null
  #heard: Listener = null
  set onopen(listener: Listener) {
    this.#opened = listener
  }
  set onmessage(listener: Listener) {
    this.#heard = listener
  }
  send(): void {
    // Nobody hears it.
  }
  opens(): void {
    this.#opened?.({ data: null })
  }
  hears(data: unknown): void {
    this.#heard?.({ data })
  }
}

function open(onSent: (kind: Sent) => void, gate: Gate): Wire & { send(data: Uint8Array): void } {
  vi.stubGlobal('WebSocket', Wire)
  return new (watchedSocket(onSent, gate) as unknown as new () => Wire)()
}

test('a socket says nothing until its gate is open, and then all that it heard, in order', () => {
  const gate = new Gate()
  const socket = open(() => undefined, gate)
  const heard: unknown[] = []
  socket.onopen = () => heard.push('open')
  socket.onmessage = ({ data }) => heard.push(data)
  socket.opens()
  socket.hears(1)
  expect(heard).toEqual([])
  gate.open()
  socket.hears(2)
  expect(heard).toEqual(['open', 1, 2])
  socket.onmessage = null
  socket.hears(3)
  expect(heard).toEqual(['open', 1, 2])
})

test('a socket says which of the messages that leave have to be confirmed', () => {
  const sent: Sent[] = []
  const socket = open((kind) => sent.push(kind), new Gate())
  for (const bytes of [
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 1],
    [102, 1],
  ])
    socket.send(Uint8Array.from(bytes))
  expect(sent).toEqual(['step2', 'update'])
})
