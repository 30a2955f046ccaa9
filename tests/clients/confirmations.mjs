// What a server has confirmed of one client's work, in all three ways: an update that comes back, a count of updates
// (101), an echoed question (102). Exact: clocks of the client's own items, and ranges that it deleted.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

const SYNC = 0
const STEP2 = 1
const UPDATE = 2
const SAVED_COUNT = 101
const SAVED_ECHO = 102

const asUpdate = (message, kinds) => {
  const decoder = decoding.createDecoder(message)
  if (decoding.readVarUint(decoder) !== SYNC || !kinds.includes(decoding.readVarUint(decoder))) return null
  return decoding.readVarUint8Array(decoder)
}

// Adds from..to to ranges that ascend without touching. What comes is mostly the newest.
const add = (ranges, from, to) => {
  let at = ranges.length
  while (at > 0 && ranges[at - 1][1] >= from) at -= 1
  let end = at
  while (end < ranges.length && ranges[end][0] <= to) end += 1
  const met = ranges.slice(at, end)
  const range = [Math.min(from, ...met.map(([start]) => start)), Math.max(to, ...met.map(([, stop]) => stop))]
  ranges.splice(at, end - at, range)
}

export class Confirmations {
  constructor(clientID) {
    this.clientID = clientID
    this.ranges = []
    // By client.
    this.deleted = new Map()
    this.questions = new Map()
    this.asked = 0
    this.counts = 0
    this.echoes = 0
    this.restart()
  }

  // A new connection: counts start again, and questions of the old one are never answered.
  restart() {
    this.sent = []
    this.counted = []
    this.questions.clear()
  }

  say(message) {
    const update = asUpdate(message, [UPDATE])
    if (update) this.counted.push(update)
    const any = update ?? asUpdate(message, [STEP2])
    if (any) this.sent.push(any)
  }

  question() {
    this.asked += 1
    this.questions.set(this.asked, this.sent.length)
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, SAVED_ECHO)
    encoding.writeVarUint8Array(
      encoder,
      encoding.encode((inner) => encoding.writeVarUint(inner, this.asked)),
    )
    return encoding.toUint8Array(encoder)
  }

  hear(message) {
    // A peer that fell behind gets what it missed, its own work included, as a step 2.
    const update = asUpdate(message, [UPDATE, STEP2])
    if (update) return this.confirm(update)
    const decoder = decoding.createDecoder(message)
    const type = decoding.readVarUint(decoder)
    if (type === SAVED_COUNT) {
      this.counts += 1
      this.counted.slice(0, decoding.readVarUint(decoder)).forEach((saved) => this.confirm(saved, true))
    } else if (type === SAVED_ECHO) {
      this.echoes += 1
      const number = decoding.readVarUint(decoding.createDecoder(decoding.readVarUint8Array(decoder)))
      this.sent.slice(0, this.questions.get(number)).forEach((saved) => this.confirm(saved, true))
    }
  }

  // What comes back holds items of ours, unless it only deletes: then nobody can say whose it is.
  confirm(update, isOurs = false) {
    const { structs, ds } = Y.decodeUpdate(update)
    const own = structs.filter((struct) => struct.id.client === this.clientID)
    own.forEach((struct) => add(this.ranges, struct.id.clock, struct.id.clock + struct.length))
    if (own.length === 0 && !isOurs) return
    ds.clients.forEach((ranges, id) => {
      if (!this.deleted.has(id)) this.deleted.set(id, [])
      ranges.forEach(({ clock, len }) => add(this.deleted.get(id), clock, clock + len))
    })
  }

  // Something just below it was confirmed.
  latest() {
    return this.ranges.at(-1)?.[1] ?? 0
  }

  // All below `clock` was confirmed. It stays behind `latest` where others brought work of this client to the server while
  // it was away.
  report() {
    const clock = this.ranges[0]?.[0] === 0 ? this.ranges[0][1] : 0
    const deleted = [...this.deleted].flatMap(([id, ranges]) => ranges.map(([from, to]) => [id, from, to - from]))
    return { client: this.clientID, clock, latest: this.latest(), deleted, counts: this.counts, echoes: this.echoes }
  }

  static missing(doc, { client, latest, deleted }) {
    const missing = []
    const has = Y.getState(doc.store, client)
    if (has < latest) missing.push(`items ${has} to ${latest} of ${client}`)
    const { ds } = Y.snapshot(doc)
    for (const [id, from, len] of deleted) {
      for (let at = from; at < from + len; at++) {
        if (!Y.isDeleted(ds, Y.createID(id, at))) missing.push(`the deletion of ${at} of ${id}`)
      }
    }
    return missing
  }
}
