// Random histories of several authors, sent as raw frames in any order, twice, over connections that come and go. What
// the server then has must equal a Yjs document that got everything.
//
// ORRERY_PHASE=play sends and compares; check compares only, with the same ORRERY_SEED.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { digestOf, edit, historyOf, randomFrom } from './edits.mjs'

const { ORRERY_URL: url, ORRERY_TOKEN: token, ORRERY_PHASE: phase } = process.env
const seed = Number(process.env.ORRERY_SEED)
const histories = Number(process.env.ORRERY_HISTORIES)
const AT_ONCE = 8
const PATIENCE_MS = 30_000

const frame = (kind, payload) =>
  encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, 0)
    encoding.writeVarUint(encoder, kind)
    encoding.writeVarUint8Array(encoder, payload)
  })

class Peer {
  static async join(document) {
    const peer = new Peer()
    peer.socket = new WebSocket(`${url}/${document}?token=${token}`)
    peer.socket.binaryType = 'nodebuffer'
    peer.parts = []
    peer.socket.on('message', (data) => peer.hear(new Uint8Array(data)))
    await new Promise((resolve, reject) => peer.socket.once('open', resolve).once('error', reject))
    peer.ended = new Promise((resolve) => peer.socket.once('close', resolve))
    return peer
  }

  hear(message) {
    const decoder = decoding.createDecoder(message)
    if (decoding.readVarUint(decoder) !== 0) return
    const kind = decoding.readVarUint(decoder)
    if (kind === 0) return
    this.parts.push(decoding.readVarUint8Array(decoder))
    if (kind === 1) this.answered?.()
  }

  // Everything that was sent before has been handled when the answer is here.
  async fetch() {
    this.parts = []
    const answer = new Promise((resolve, reject) => {
      this.answered = resolve
      this.ended.then((code) => reject(new Error(`closed with ${code}`)))
      setTimeout(() => reject(new Error('no step 2')), PATIENCE_MS).unref()
    })
    this.socket.send(frame(0, new Uint8Array([0])))
    await answer
    return this.parts
  }

  async leave() {
    this.socket.close()
    await this.ended
  }
}

const shuffle = (list, random) => {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[list[i], list[j]] = [list[j], list[i]]
  }
  return list
}

// What a few authors do, who hear of each other now and then.
function historyFrom(random) {
  const authors = Array.from({ length: 2 + random.below(3) }, (_, index) => {
    const doc = new Y.Doc()
    doc.clientID = 1 + index + 10 * random.below(1e8)
    return { doc, undo: historyOf(doc), inbox: [] }
  })
  const updates = []
  authors.forEach((author) =>
    author.doc.on('update', (update, origin) => {
      if (origin === 'other') return
      updates.push(update)
      authors.forEach((other) => other !== author && other.inbox.push(update))
    }),
  )
  for (let step = 15 + random.below(40); step > 0; step--) {
    const author = random.pick(authors)
    if (random.below(3) === 0) author.inbox.splice(0).forEach((update) => Y.applyUpdate(author.doc, update, 'other'))
    else edit(author.doc, random, author.undo)
  }
  const whole = new Y.Doc()
  updates.forEach((update) => Y.applyUpdate(whole, update))
  return { updates, whole }
}

async function send(document, updates, random) {
  const order = random.below(3) === 0 ? updates.slice() : shuffle(updates.slice(), random)
  order.filter(() => random.below(4) === 0).forEach((again) => order.splice(random.below(order.length + 1), 0, again))
  const peers = await Promise.all(Array.from({ length: 1 + random.below(3) }, () => Peer.join(document)))
  for (const update of order) {
    const at = random.below(peers.length)
    peers[at].socket.send(frame(random.below(5) === 0 ? 1 : 2, update))
    if (random.below(20) === 0) {
      await peers[at].fetch()
      await peers[at].leave()
      peers[at] = await Peer.join(document)
    }
  }
  await Promise.all(peers.map((peer) => peer.fetch()))
  await Promise.all(peers.map((peer) => peer.leave()))
}

async function compare(document, whole) {
  const reader = await Peer.join(document)
  const found = new Y.Doc()
  const parts = await reader.fetch()
  parts.forEach((part) => Y.applyUpdate(found, part))
  await reader.leave()
  if (found.store.pendingStructs || found.store.pendingDs) throw new Error('the answer has gaps')
  const [have, want] = [digestOf(found), digestOf(whole)]
  if (have !== want) throw new Error(`the server has\n${have}\nbut Yjs has\n${want}`)
  if (!Y.equalSnapshots(Y.snapshot(found), Y.snapshot(whole))) throw new Error('deletions differ')
}

let next = 0
let sent = 0
async function work() {
  while (next < histories) {
    const number = next++
    const random = randomFrom(seed + number * 7919)
    const { updates, whole } = historyFrom(random)
    const document = `doc:history-${number}`
    try {
      if (phase === 'play') await send(document, updates, random)
      await compare(document, whole)
    } catch (error) {
      throw new Error(`history ${number} of seed ${seed}: ${error.message}`)
    }
    sent += updates.length
  }
}

try {
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  console.log(`${histories} histories, ${sent} updates`)
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
