import { expect, test } from 'vitest'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { Carets } from './carets'

/** A board with two notes, and where a caret in the first one stands. */
function boardOf() {
  const doc = new Y.Doc()
  const [first, second] = ['first', 'second'].map((id) => {
    const [note, text, paragraph] = [new Y.Map(), new Y.XmlFragment(), new Y.XmlElement('paragraph')]
    doc.getMap('nodes').set(id, note)
    note.set('text', text)
    text.insert(0, [paragraph])
    paragraph.insert(0, [new Y.XmlText('words')])
    return text
  })
  if (first === undefined || second === undefined) throw new Error('there are two')
  const words = (first.get(0) as Y.XmlElement).get(0) as Y.XmlText
  const at = Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(words, 2)) as object
  return { doc, first, second, caret: { anchor: at, head: at } }
}

/** Takes what one side shows of itself to the other. */
const tell = (from: Awareness, to: Awareness) =>
  applyAwarenessUpdate(to, encodeAwarenessUpdate(from, [from.clientID]), 'wire')

test('a text is occupied while somebody else has a caret in it, though the caret comes before the text', () => {
  const theirs = boardOf()
  const [there, doc] = [new Awareness(theirs.doc), new Y.Doc()]
  const here = new Awareness(doc)
  const carets = new Carets(here, doc)
  there.setLocalStateField('cursor', theirs.caret)
  tell(there, here)
  expect(carets.occupied.get().size).toBe(0)

  Y.applyUpdate(doc, Y.encodeStateAsUpdate(theirs.doc))
  const text = (doc.getMap('nodes').get('first') as Y.Map<unknown>).get('text')
  expect([...carets.occupied.get()]).toEqual([text])

  there.setLocalStateField('cursor', null)
  tell(there, here)
  expect(carets.occupied.get().size).toBe(0)
  carets.dispose()
  for (const awareness of [there, here]) awareness.destroy()
})

test('one’s own caret occupies nothing, and what is no caret is none', () => {
  const { doc, caret } = boardOf()
  const [here, there] = [new Awareness(doc), new Awareness(new Y.Doc())]
  const carets = new Carets(here, doc)
  here.setLocalStateField('cursor', caret)
  for (const cursor of ['here', { anchor: null }, { anchor: { item: 'x' } }, { anchor: { tname: 'nodes' } }]) {
    there.setLocalStateField('cursor', cursor)
    tell(there, here)
    expect(carets.occupied.get().size).toBe(0)
  }
  carets.dispose()
  for (const awareness of [there, here]) awareness.destroy()
})

test('an editor that closes takes no caret away but its own, and editors hear of carets only', () => {
  const { doc, first, second, caret } = boardOf()
  const [here, there] = [new Awareness(doc), new Awareness(new Y.Doc())]
  const carets = new Carets(here, doc)
  const [mine, other] = [carets.of(first), carets.of(second)]
  let heard = 0
  mine.on('change', () => (heard += 1))
  mine.setLocalStateField('cursor', caret)
  other.setLocalStateField('cursor', null)
  expect(here.getLocalState()?.cursor).toEqual(caret)
  there.setLocalStateField('pointer', { x: 1, y: 2 })
  tell(there, here)
  expect(heard).toBe(0)
  there.setLocalStateField('cursor', caret)
  tell(there, here)
  expect(heard).toBe(1)
  mine.setLocalStateField('cursor', null)
  expect(here.getLocalState()?.cursor).toBeNull()
  carets.dispose()
  for (const awareness of [there, here]) awareness.destroy()
})
