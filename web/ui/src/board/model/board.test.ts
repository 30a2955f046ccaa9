import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { Board } from './board'

function pair(): [Board, Board, Y.Doc] {
  const [a, b] = [new Y.Doc(), new Y.Doc()]
  a.on('update', (update: Uint8Array, origin: unknown) => origin !== b && Y.applyUpdate(b, update, a))
  b.on('update', (update: Uint8Array, origin: unknown) => origin !== a && Y.applyUpdate(a, update, b))
  return [new Board(a), new Board(b), a]
}

const at = { x: 10, y: 20 }

test('what one puts on the board stands on the board of the other', () => {
  const [alice, bob] = pair()
  const note = alice.addNote(at, 'moss')
  const card = bob.addCard(at, 'uc_0123456789abcdef')
  expect(bob.nodes.views.get().get(note)).toMatchObject({ type: 'note', color: 'moss', x: 10, y: 20 })
  expect(alice.nodes.views.get().get(card)).toMatchObject({ type: 'container', container: 'uc_0123456789abcdef' })
})

test('undo takes back what was done here, and nothing else', () => {
  const [alice, bob] = pair()
  const mine = alice.addNote(at)
  const theirs = bob.addNote(at)
  alice.move([[mine, { x: 100, y: 100 }]])
  bob.move([[theirs, { x: 300, y: 300 }]])
  alice.undo()
  expect(alice.nodes.views.get().get(mine)).toMatchObject(at)
  expect(alice.nodes.views.get().get(theirs)).toMatchObject({ x: 300, y: 300 })
  alice.undo()
  expect([...bob.nodes.views.get().keys()]).toEqual([theirs])
  expect(alice.can.get()).toEqual({ undo: false, redo: true })
  alice.redo()
  expect(bob.nodes.views.get().has(mine)).toBe(true)
})

test('a note grows and shrinks step by step, and nothing else does', () => {
  const [alice, bob] = pair()
  const [note, card] = [alice.addNote(at), alice.addCard(at, 'uc_0123456789abcdef')]
  const size = (id: string) => {
    const { width = 0, height = 0 } = bob.nodes.views.get().get(id) ?? {}
    return [width, height]
  }
  const before = [size(note), size(card)]
  for (const id of [note, card, 'gone']) alice.grow(id, 40)
  expect([size(note), size(card)]).toEqual([[280, 200], before[1]])
  for (let steps = 0; steps < 100; steps += 1) alice.grow(note, -40)
  expect(size(note)).toEqual([140, 80])
  for (let steps = 0; steps < 100; steps += 1) alice.grow(note, 40)
  expect(size(note)).toEqual([1_600, 1_600])
  alice.undo()
  expect(size(note)[1]).toBeLessThan(1_600)
})

test('a whole drag is one step', () => {
  const [alice] = pair()
  const note = alice.addNote(at)
  alice.step()
  for (let x = 20; x < 200; x += 20) alice.move([[note, { x, y: 20 }]])
  alice.step()
  alice.undo()
  expect(alice.nodes.views.get().get(note)).toMatchObject(at)
})

test('a node goes with its edges, and undo brings the text back', () => {
  const [alice, bob] = pair()
  const [one, two] = [alice.addNote(at), alice.addNote(at)]
  const edge = alice.connect(one, two)
  expect(alice.connect(one, two)).toBeNull()
  expect(alice.connect(one, one)).toBeNull()
  const text = () => {
    const node = alice.nodes.views.get().get(one)
    return node?.type === 'note' ? node.text : null
  }
  text()?.insert(0, [new Y.XmlText('kept')])
  alice.remove([one])
  expect(bob.edges.views.get().size).toBe(0)
  alice.undo()
  expect(text()?.toJSON()).toBe('kept')
  expect([...bob.edges.views.get().keys()]).toEqual([edge])
})

test('undo covers cards, edges and what they are called, one by one', () => {
  const [alice, bob] = pair()
  const [note, card] = [alice.addNote(at), alice.addCard({ x: 400, y: 0 }, 'uc_0123456789abcdef')]
  const edge = alice.connect(note, card) ?? ''
  const label = () => bob.edges.views.get().get(edge)?.label
  alice.label(edge, 'feeds')
  expect(label()).toBe('feeds')
  bob.change(note, { color: 'sky' })
  alice.undo()
  expect(label()).toBe('')
  alice.undo()
  expect(bob.edges.views.get().size).toBe(0)
  alice.undo()
  expect([...bob.nodes.views.get().keys()]).toEqual([note])
  expect(bob.nodes.views.get().get(note)).toMatchObject({ color: 'sky' })
})

/** A note of Alice's, in which Bob wrote too. */
function written() {
  const [alice, bob] = pair()
  const mine = alice.addNote({ x: 500, y: 500 })
  const note = alice.addNote(at)
  const textOn = (board: Board) => {
    const node = board.nodes.views.get().get(note)
    return node?.type === 'note' ? node.text : null
  }
  textOn(alice)?.insert(0, [new Y.XmlText('hers')])
  textOn(bob)?.insert(1, [new Y.XmlText('his')])
  return { alice, bob, note, mine, read: () => textOn(bob)?.toJSON() }
}

test('what others wrote in a note stays when the note is undone, and undo goes on with what was before', () => {
  const { alice, bob, note, mine, read } = written()
  alice.move([[note, { x: 300, y: 300 }]])
  const place = () => bob.nodes.views.get().get(note)?.x
  expect([alice.undo(), place(), alice.redo(), place()]).toEqual([null, at.x, null, 300])
  expect([alice.undo(), place()]).toEqual([null, at.x])
  expect(alice.undo()).toEqual({ nodes: [note], edges: [] })
  expect(read()).toBe('hershis')
  expect(bob.nodes.views.get().get(note)).toMatchObject({ type: 'note', color: 'brass', ...at })
  expect(alice.can.get().undo).toBe(true)
  expect(alice.undo()).toBeNull()
  expect(bob.nodes.views.get().has(mine)).toBe(false)
  expect(alice.can.get().undo).toBe(false)
})

test('what was removed and came back is still of those who wrote it', () => {
  const { alice, note, read } = written()
  alice.remove([note])
  expect(read()).toBeUndefined()
  expect(alice.undo()).toBeNull()
  expect(read()).toBe('hershis')
  // Neither is it removed again without a word, nor is the note undone.
  expect(alice.redo()).toEqual({ nodes: [note], edges: [] })
  expect(alice.undo()).toEqual({ nodes: [note], edges: [] })
  expect(read()).toBe('hershis')
})

test('a note in which one wrote alone goes and comes as a whole', () => {
  const [alice, bob] = pair()
  const note = alice.addNote(at)
  const text = alice.nodes.views.get().get(note)
  if (text?.type === 'note') text.text?.insert(0, [new Y.XmlText('hers')])
  alice.move([[note, { x: 300, y: 300 }]])
  for (let times = 0; times < 2; times += 1) {
    expect([alice.undo(), alice.undo()]).toEqual([null, null])
    expect(bob.nodes.views.get().has(note)).toBe(false)
    expect([alice.redo(), alice.redo()]).toEqual([null, null])
  }
  expect(bob.nodes.views.get().get(note)).toMatchObject({ beginning: 'hers', x: 300, y: 300 })
})

test('whatever others changed, connected, or may have written elsewhere stays too', () => {
  const [alice, bob] = pair()
  const check = (made: { nodes?: string[]; edges?: string[] }) =>
    expect(alice.undo()).toEqual({ nodes: [], edges: [], ...made })
  const [one, two] = [alice.addNote(at), alice.addCard(at, 'uc_0123456789abcdef')]
  const edge = alice.connect(one, two) ?? ''
  bob.label(edge, 'feeds')
  check({ edges: [edge] })
  check({ nodes: [two] })
  check({ nodes: [one] })
  expect([...bob.edges.views.get().values()]).toMatchObject([{ source: one, target: two, label: 'feeds' }])
  const card = alice.addCard(at, 'uc_0123456789abcdef')
  bob.move([[card, { x: 7, y: 7 }]])
  check({ nodes: [card] })
  const code = alice.addCode(at, 'mill.py', 'python')
  check({ nodes: [code] })
  expect([...bob.nodes.views.get().keys()]).toEqual([one, two, card, code])
})

test('a step that has nothing to change any more does not take one with it that others have a part in', () => {
  const { alice, bob, note, read } = written()
  bob.remove([alice.addNote(at)])
  alice.undo()
  expect(read()).toBe('hershis')
  expect(bob.nodes.views.get().get(note)).toMatchObject({ type: 'note', color: 'brass', ...at })
})

test('a label for a connection that somebody removed goes nowhere', () => {
  const [alice, bob] = pair()
  const edge = alice.connect(alice.addNote(at), alice.addNote(at)) ?? ''
  bob.remove([], [edge])
  alice.label(edge, 'late')
  expect(alice.edges.views.get().size).toBe(0)
})

test('what did not change keeps its view', () => {
  const [alice, bob] = pair()
  const [still, moved] = [alice.addNote(at), alice.addNote(at)]
  const before = bob.nodes.views.get()
  alice.move([[moved, { x: 50, y: 50 }]])
  expect(bob.nodes.views.get().get(still)).toBe(before.get(still))
  expect(bob.nodes.views.get().get(moved)).not.toBe(before.get(moved))
})

test('what somebody else wrote wrongly breaks nothing', () => {
  const [alice, , doc] = pair()
  const nodes = doc.getMap<unknown>('nodes')
  const map = (fields: Record<string, unknown>) => new Y.Map(Object.entries(fields))
  nodes.set('text', 'no map')
  nodes.set('null', null)
  nodes.set('empty', map({}))
  nodes.set('later', map({ type: 'video', title: 'Talk', x: 'left', y: Number.NaN, width: -3, height: 1e9 }))
  nodes.set('half', map({ type: 'note', text: 'no fragment', color: 'ultraviolet' }))
  nodes.set('bad', map({ type: 'code', document: 'doc:../../system', language: 7 }))
  const odd = new Y.XmlFragment()
  nodes.set('odd', map({ type: 'note', text: odd }))
  // Types forbid it, and any client may do it.
  odd.insert(0, ['no element', 7, new Y.Map(), new Y.XmlText('words')] as unknown as Y.XmlText[])
  const edges = doc.getMap<unknown>('edges')
  edges.set('loose', map({ source: 'half' }))
  edges.set('odd', 7)
  const views = alice.nodes.views.get()
  expect([...views.keys()].sort()).toEqual(['bad', 'empty', 'half', 'later', 'odd'])
  expect(views.get('odd')).toMatchObject({ type: 'note', beginning: 'words' })
  expect(views.get('later')).toMatchObject({ type: 'other', title: 'Talk', x: 0, y: 0, width: 48, height: 4_000 })
  expect(views.get('half')).toMatchObject({ type: 'note', text: null, color: 'brass' })
  expect(views.get('bad')).toMatchObject({ type: 'code', document: null, language: 'text' })
  expect(alice.edges.views.get().size).toBe(0)
  alice.move([
    ['text', at],
    ['gone', at],
  ])
  nodes.delete('later')
  expect(alice.nodes.views.get().has('later')).toBe(false)
})
