// Random edits of every kind that people's editors make, repeatable by seed; and one spelling of a document's content.
import * as Y from 'yjs'

const SNIPPETS = ['a', 'word ', 'é', '中文', '😀', '👩‍👩‍👧', '\n', 'x😀y', ' ']
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4']

// mulberry32
export function randomFrom(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n) => Math.floor(next() * n)
  return { below, pick: (list) => list[below(list.length)] }
}

const scalar = (random) =>
  random.pick([
    () => random.below(1e9),
    () => -random.below(1e6) / 7,
    () => random.pick(SNIPPETS),
    () => true,
    () => null,
    () => ({ deep: [random.below(9), { key: random.pick(SNIPPETS) }] }),
    () => new Uint8Array([random.below(256), 0, 255]),
  ])()

const nested = (random) =>
  random.pick([
    () => new Y.Map([[random.pick(KEYS), random.below(100)]]),
    () => Y.Array.from([random.below(100), random.pick(SNIPPETS)]),
    () => new Y.Text(random.pick(SNIPPETS)),
  ])()

// No editor puts a cursor into the middle of a surrogate pair, and Yjs replicas that do so disagree for ever: what is split
// in one becomes two replacement characters there, and stays whole in another.
function wholeCharacters(text, at) {
  const flat = text
    .toDelta()
    .map(({ insert }) => (typeof insert === 'string' ? insert : '\ufffc'))
    .join('')
  const code = flat.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}

function editText(text, random) {
  const at = wholeCharacters(text, random.below(text.length + 1))
  const rest = text.length - at
  const kind = random.below(10)
  if (kind < 6 || rest === 0) return text.insert(at, random.pick(SNIPPETS))
  const length = wholeCharacters(text, at + 2 + random.below(Math.min(rest, 6))) - at
  if (kind < 8) text.delete(at, Math.min(rest, length))
  else if (kind < 9) text.format(at, Math.min(rest, length), { bold: random.pick([true, null]) })
  else text.insertEmbed(at, { image: random.below(9) })
}

function editArray(array, random) {
  const at = random.below(array.length + 1)
  const rest = array.length - at
  const kind = random.below(10)
  if (kind < 4 || rest === 0) array.insert(at, [scalar(random), scalar(random)])
  else if (kind < 6) array.insert(at, [nested(random)])
  else if (kind < 8) array.delete(at, 1 + random.below(Math.min(rest, 3)))
  else editWithin(array.get(Math.min(at, array.length - 1)), random)
}

function editMap(map, random) {
  const key = random.pick(KEYS)
  const kind = random.below(10)
  if (kind < 4) map.set(key, scalar(random))
  else if (kind < 6) map.set(key, nested(random))
  else if (kind < 7) map.delete(key)
  else editWithin(map.get(key), random)
}

function editWithin(value, random) {
  if (value instanceof Y.Text) editText(value, random)
  else if (value instanceof Y.Array) editArray(value, random)
  else if (value instanceof Y.Map) editMap(value, random)
}

function editXml(xml, random) {
  const at = random.below(xml.length + 1)
  const rest = xml.length - at
  const kind = random.below(10)
  if (kind < 4 || rest === 0) xml.insert(at, [new Y.XmlElement(random.pick(['p', 'h1', 'li']))])
  else if (kind < 5) xml.insert(at, [new Y.XmlText(random.pick(SNIPPETS))])
  else if (kind < 6) xml.delete(at, 1)
  else {
    const child = xml.get(Math.min(at, xml.length - 1))
    if (child instanceof Y.XmlText)
      child.insert(wholeCharacters(child, random.below(child.length + 1)), random.pick(SNIPPETS))
    else if (random.below(2) === 0) child.setAttribute(random.pick(KEYS), random.pick(SNIPPETS))
    else if (random.below(2) === 0 && child.length > 0) child.delete(0, 1)
    else child.insert(0, [new Y.XmlText(random.pick(SNIPPETS))])
  }
}

export function rootsOf(doc) {
  return {
    text: doc.getText('text'),
    array: doc.getArray('array'),
    map: doc.getMap('map'),
    xml: doc.getXmlFragment('xml'),
  }
}

// One random transaction. `history` is a UndoManager over the roots, or nothing.
export function edit(doc, random, history) {
  const { text, array, map, xml } = rootsOf(doc)
  const kind = random.below(20)
  if (history && kind < 2) return random.below(2) === 0 ? history.undo() : history.redo()
  doc.transact(() => {
    for (let i = random.below(3); i >= 0; i--) {
      random.pick([
        () => editText(text, random),
        () => editText(text, random),
        () => editArray(array, random),
        () => editMap(map, random),
        () => editXml(xml, random),
      ])()
    }
  })
}

export function historyOf(doc) {
  return new Y.UndoManager(Object.values(rootsOf(doc)), { captureTimeout: 0 })
}

export const sorted = (value) => {
  if (value instanceof Uint8Array) return { bytes: Array.from(value) }
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

// The whole content, the same text for the same content.
export function contentOf(doc) {
  const { text, array, map, xml } = rootsOf(doc)
  const log = doc.getArray('log').toJSON()
  return JSON.stringify(sorted([text.toDelta(), array.toJSON(), map.toJSON(), xml.toString(), log]))
}

export function clocksOf(doc) {
  return Array.from(Y.decodeStateVector(Y.encodeStateVector(doc)).entries()).sort((a, b) => a[0] - b[0])
}

// What every replica must agree on.
export function digestOf(doc) {
  return JSON.stringify(clocksOf(doc)) + contentOf(doc)
}
