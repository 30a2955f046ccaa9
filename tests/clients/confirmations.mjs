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

export class Confirmations {
  constructor(clientID) {
    this.clientID = clientID
    this.ranges = []
    this.deleted = []
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
    own.forEach((struct) => this.ranges.push([struct.id.clock, struct.id.clock + struct.length]))
    if (own.length === 0 && !isOurs) return
    ds.clients.forEach((ranges, id) => ranges.forEach(({ clock, len }) => this.deleted.push([id, clock, len])))
  }

  // `clock`: all below it was confirmed. `latest`: something just below it was. Between them is what others brought to the
  // server while this client was away.
  report() {
    let clock = 0
    for (const [from, to] of this.ranges.sort((a, b) => a[0] - b[0])) if (from <= clock) clock = Math.max(clock, to)
    const latest = this.ranges.reduce((latest, [, to]) => Math.max(latest, to), 0)
    return { client: this.clientID, clock, latest, deleted: this.deleted, counts: this.counts, echoes: this.echoes }
  }

  static missing(doc, { client, clock, deleted }) {
    const missing = []
    const has = Y.getState(doc.store, client)
    if (has < clock) missing.push(`items ${has} to ${clock} of ${client}`)
    const { ds } = Y.snapshot(doc)
    for (const [id, from, len] of deleted) {
      for (let at = from; at < from + len; at++) {
        if (!Y.isDeleted(ds, Y.createID(id, at))) missing.push(`the deletion of ${at} of ${id}`)
      }
    }
    return missing
  }
}
