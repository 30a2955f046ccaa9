// @vitest-environment jsdom
import { afterEach, expect, test, vi } from 'vitest'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { Carets } from './carets'
import { openEditor } from './editor'

const closing: (() => void)[] = []
afterEach(() => closing.splice(0).forEach((close) => close()))

/** A note that is open in an editor, and somebody else who has it too and says what they like. */
function written() {
  const [here, there] = [new Y.Doc(), new Y.Doc()]
  there.on('update', (update: Uint8Array) => Y.applyUpdate(here, update))
  here.on('update', (update: Uint8Array) => Y.applyUpdate(there, update))
  const words = new Y.XmlText('words')
  const paragraph = new Y.XmlElement('paragraph')
  paragraph.insert(0, [words])
  there.getXmlFragment('text').insert(0, [paragraph])
  const [mine, theirs] = [new Awareness(here), new Awareness(there)]
  const carets = new Carets(mine, here)
  const text = here.getXmlFragment('text')
  const editor = openEditor({
    place: document.body,
    text,
    awareness: carets.of(text),
    label: 'Note',
    editable: () => true,
    onFocus: () => undefined,
    onForeign: () => undefined,
  })
  closing.push(() => {
    editor.destroy()
    carets.dispose()
    for (const awareness of [mine, theirs]) awareness.destroy()
  })
  const says = (state: Record<string, unknown>) => {
    theirs.setLocalState(state)
    applyAwarenessUpdate(mine, encodeAwarenessUpdate(theirs, [theirs.clientID]), 'wire')
  }
  const at = (index: number) => Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(words, index)) as object
  const shown = () => {
    const text = editor.dom.cloneNode(true) as HTMLElement
    text.querySelectorAll('.remote-caret').forEach((caret) => caret.remove())
    return text.textContent
  }
  return { words, says, at, editor, shown }
}

test('an editor follows the text, whatever others say of their carets', () => {
  const { words, says, shown } = written()
  for (const cursor of [{ anchor: { item: 'x' }, head: { item: 'x' } }, { anchor: {}, head: null }, 'here', 7]) {
    says({ user: { id: 'u1', name: 'Mallory' }, cursor })
    words.insert(words.length, '!')
    expect(shown()).toBe(words.toJSON())
  }
  for (const user of ['Mallory', 7, null, { name: 7, color: {} }]) {
    says({ user, cursor: null })
    words.insert(words.length, '?')
    expect(shown()).toBe(words.toJSON())
  }
})

test('others are drawn by their name and colour, and by nothing else that they say', async () => {
  const { says, at, editor } = written()
  const color = 'red; position: fixed; inset: 0; background: white'
  says({ user: { id: 'u1', name: `Mallory${'!'.repeat(1_000)}`, color }, cursor: { anchor: at(0), head: at(4) } })
  await vi.waitFor(() => expect(editor.dom.querySelector('.remote-name')?.textContent).toHaveLength(40))
  const drawn = [...editor.dom.querySelectorAll<HTMLElement>('.remote-selection, .remote-caret')]
  expect(drawn.length).toBeGreaterThan(1)
  for (const { style } of drawn) {
    expect(style.getPropertyValue('--person')).toMatch(/^#[0-9a-f]{6}$/)
    expect(style).toHaveLength(1)
  }
})
