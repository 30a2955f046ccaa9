// Stock y-websocket clients, led by a test: one JSON order a line on stdin, one JSON answer a line on stdout.
//
// Order: {"id", "verb", ...}. Answer: {"id", "value"} or {"id", "error"}.
import { createInterface } from 'node:readline'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { Confirmations } from './confirmations.mjs'
import { clocksOf, contentOf, digestOf, edit, historyOf, randomFrom, sorted } from './edits.mjs'

const PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 10

// y-websocket tells of every message type it does not know, and of every refusal.
console.error = () => {}
console.warn = () => {}

class Client {
  constructor({ url, room, params, mute }) {
    this.doc = new Y.Doc()
    this.history = historyOf(this.doc)
    this.closes = []
    this.confirmations = new Confirmations(this.doc.clientID)
    this.typing = null
    this.typed = 0
    const client = this
    class Tapped extends WebSocket {
      constructor(...args) {
        super(...args)
        this.on('open', () => this.on('close', (code) => client.closes.push(code)))
        this.on('message', (data) => client.confirmations.hear(new Uint8Array(data)))
        client.confirmations.restart()
      }

      send(data) {
        client.confirmations.say(new Uint8Array(data))
        super.send(data)
      }
    }
    this.provider = new WebsocketProvider(url, room, this.doc, { WebSocketPolyfill: Tapped, params, disableBc: true })
    if (mute) this.provider.awareness.setLocalState(null)
  }

  type(text) {
    const board = this.doc.getText('text')
    board.insert(board.length, text)
  }

  // Types until told to stop: mostly lines into a log, sometimes taking back an own one.
  typeOn({ name, everyMs, asking }) {
    const log = this.doc.getArray('log')
    let turn = 0
    this.typing = setInterval(() => {
      turn += 1
      this.typed += 1
      log.push([`${name}:${this.typed}`])
      if (turn % 7 === 0 && log.length > 3) log.delete(log.length - 3, 1)
      const socket = this.provider.ws
      if (asking && turn % 5 === 0 && socket?.readyState === socket?.OPEN && this.provider.wsconnected) {
        socket.send(this.confirmations.question())
      }
    }, everyMs)
  }

  stop() {
    clearInterval(this.typing)
    this.typing = null
  }

  leave() {
    this.stop()
    this.provider.destroy()
  }
}

const clients = new Map()

const client = ({ name }) => {
  const found = clients.get(name)
  if (!found) throw new Error(`nobody is called ${name}`)
  return found
}

async function until(what, holds) {
  const deadline = Date.now() + PATIENCE_MS
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${typeof what === 'function' ? what() : what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

const statesSeenBy = (one) =>
  Object.fromEntries(Array.from(one.provider.awareness.getStates()).filter(([id]) => id !== one.doc.clientID))

const sameState = (a, b) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))

const verbs = {
  async open(order) {
    const one = new Client(order)
    clients.set(order.name, one)
    if (!order.mayFail) await until(`${order.name} is synced`, () => one.provider.synced)
    return one.doc.clientID
  },
  leave: (order) => {
    client(order).leave()
    clients.delete(order.name)
  },
  // As a network that breaks: no close frame.
  drop: (order) => client(order).provider.ws?.terminate(),
  // What it connects with from now on.
  admit({ name, token }) {
    client({ name }).provider.params.token = token
  },
  disconnect: (order) => client(order).provider.disconnect(),
  connect: (order) => client(order).provider.connect(),
  synced: (order) => until(`${order.name} is synced`, () => client(order).provider.synced),
  unsynced: (order) => until(`${order.name} is cut off`, () => !client(order).provider.synced),
  scribble({ name, seed, edits }) {
    const one = client({ name })
    const random = randomFrom(seed)
    for (let i = 0; i < edits; i++) edit(one.doc, random, one.history)
  },
  type: (order) => client(order).type(order.text),
  // Many blocks of text, made in one go.
  fill({ name, blocks, size }) {
    const one = client({ name })
    for (let i = 0; i < blocks; i++) one.doc.getArray('log').push([`${i} `.padEnd(size, 'lorem ipsum ')])
  },
  text: (order) => client(order).doc.getText('text').toString(),
  log: (order) => client(order).doc.getArray('log').toJSON(),
  content: (order) => contentOf(client(order).doc),
  // The roots that the gateway writes.
  system({ name }) {
    const { doc } = client({ name })
    const roots = ['userContainers', 'images', 'gateway'].map((root) => [root, doc.getMap(root).toJSON()])
    return JSON.stringify(Object.fromEntries(roots))
  },
  clocks: (order) => clocksOf(client(order).doc),
  typeOn: (order) => client(order).typeOn(order),
  stop: (order) => client(order).stop(),
  typed: (order) => client(order).typed,
  confirmed: (order) => client(order).confirmations.report(),
  latestConfirmed: (order) => client(order).confirmations.latest(),
  confirmedAll: ({ name }) =>
    until(
      () => `all of ${name} is confirmed, ${JSON.stringify(client({ name }).confirmations.report())}`,
      () => {
        const one = client({ name })
        const own = new Map(clocksOf(one.doc)).get(one.doc.clientID) ?? 0
        return one.confirmations.report().clock >= own
      },
    ),
  confirmedTo: ({ name, clock }) =>
    until(
      () => `${clock} of ${name} is confirmed, ${JSON.stringify(client({ name }).confirmations.report())}`,
      () => client({ name }).confirmations.report().clock >= clock,
    ),
  // What `name` lacks of what was confirmed to somebody.
  missing: ({ name, confirmed }) => Confirmations.missing(client({ name }).doc, confirmed),
  seesText: ({ name, text }) =>
    until(
      () =>
        `${name} sees ${JSON.stringify(text)}, not ${JSON.stringify(client({ name }).doc.getText('text').toString())}`,
      () => client({ name }).doc.getText('text').toString() === text,
    ),
  seesPart: ({ name, part }) =>
    until(`${name} sees ${part}`, () => client({ name }).doc.getText('text').toString().includes(part)),
  async same({ names }) {
    const docs = names.map((name) => client({ name }).doc)
    const agree = () => {
      const clocks = docs.map((doc) => JSON.stringify(clocksOf(doc)))
      return clocks.every((one) => one === clocks[0]) && new Set(docs.map(digestOf)).size === 1
    }
    await until(() => `all agree: ${docs.map((doc) => digestOf(doc).slice(0, 300)).join('\n')}`, agree)
    return contentOf(docs[0])
  },
  present: ({ name, state }) => client({ name }).provider.awareness.setLocalState(state),
  states: (order) => statesSeenBy(client(order)),
  // Until `name` sees exactly these states of others, by client id.
  seesStates: ({ name, states }) =>
    until(
      () => `${name} sees ${JSON.stringify(states)}, not ${JSON.stringify(statesSeenBy(client({ name })))}`,
      () => sameState(statesSeenBy(client({ name })), states),
    ),
  closes: (order) => client(order).closes,
  closedWith: ({ name, code }) =>
    until(
      () => `${name} is closed with ${code}, not ${client({ name }).closes}`,
      () => client({ name }).closes.includes(code),
    ),
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const order = JSON.parse(line)
    let answer
    try {
      const value = await verbs[order.verb](order)
      answer = { id: order.id, value: value ?? null }
    } catch (error) {
      answer = { id: order.id, error: `${order.verb}: ${error.message}` }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  })
  .on('close', () => process.exit(0))
