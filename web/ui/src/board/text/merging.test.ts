// @vitest-environment jsdom
import { baseKeymap } from 'prosemirror-commands'
import { liftListItem, sinkListItem, splitListItem } from 'prosemirror-schema-list'
import { TextSelection, type Command } from 'prosemirror-state'
import type { EditorView } from 'prosemirror-view'
import { expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { formats, openEditor } from './editor'
import { schema } from './schema'
import { takes } from './takes'

const item = schema.nodes.list_item!
const remove: Command = (state, dispatch) => {
  dispatch?.(state.tr.deleteSelection())
  return true
}
const COMMANDS: Command[] = [
  ...Object.values(formats),
  sinkListItem(item),
  liftListItem(item),
  splitListItem(item),
  baseKeymap.Enter!,
  baseKeymap.Backspace!,
  baseKeymap.Delete!,
  remove,
]

/** Numbers from 0 on below `end`, always the same for one seed. */
function dice(seed: number) {
  let state = seed
  return (end: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * end)
  }
}

function somebody(update?: Uint8Array) {
  const doc = new Y.Doc()
  if (update) Y.applyUpdate(doc, update)
  const text = doc.getXmlFragment('text')
  const foreign: boolean[] = []
  const awareness = new Awareness(doc)
  const editor = openEditor({
    place: document.body,
    text,
    awareness,
    label: 'Note',
    editable: () => true,
    onFocus: () => undefined,
    onForeign: () => foreign.push(true),
  })
  const leave = () => {
    editor.destroy()
    awareness.destroy()
  }
  return { doc, text, editor, foreign, leave }
}

/** Does something that a hand can do, somewhere in the text. */
function act(editor: EditorView, roll: (end: number) => number) {
  const at = () => roll(editor.state.doc.content.size + 1)
  const { doc } = editor.state
  const selection = TextSelection.between(doc.resolve(at()), doc.resolve(at()))
  editor.dispatch(editor.state.tr.setSelection(roll(3) > 0 ? TextSelection.near(selection.$from) : selection))
  if (roll(3) === 0) editor.dispatch(editor.state.tr.insertText('abc'))
  else COMMANDS[roll(COMMANDS.length)]!(editor.state, (transaction) => editor.dispatch(transaction), editor)
}

test('what two people do apart from each other is a text again, in which both can write', () => {
  const stuck: number[] = []
  for (let seed = 0; seed < 120; seed++) {
    const roll = dice(seed)
    const one = somebody()
    for (let step = 0; step < 25; step++) act(one.editor, roll)
    const other = somebody(Y.encodeStateAsUpdate(one.doc))
    for (const { editor } of [one, other]) for (let step = 0; step < 6; step++) act(editor, roll)
    const [here, there] = [one, other].map(({ doc }) => Y.encodeStateAsUpdate(doc)) as [Uint8Array, Uint8Array]
    Y.applyUpdate(one.doc, there)
    Y.applyUpdate(other.doc, here)
    if (!takes(one.text) || !takes(other.text) || one.foreign.length + other.foreign.length > 0) stuck.push(seed)
    for (const { leave } of [one, other]) leave()
  }
  expect(stuck).toEqual([])
})
