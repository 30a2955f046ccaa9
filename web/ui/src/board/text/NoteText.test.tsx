// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, expect, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { AroundContext, type Around } from '../context'
import { Board } from '../model/board'
import type { NoteView } from '../model/nodes'
import { Carets } from './carets'
import { NoteText } from './NoteText'
import { takes } from './takes'

const closing: (() => void)[] = []
afterEach(() => {
  cleanup()
  closing.splice(0).forEach((close) => close())
})

type Part = Y.XmlElement | Y.XmlText
const element = (name: string, ...inside: Part[]) => {
  const made = new Y.XmlElement(name)
  made.insert(0, inside)
  return made
}
const words = (text: string, marks: Record<string, unknown> = {}) => {
  const made = new Y.XmlText()
  made.insert(0, text, marks)
  return made
}
const paragraph = (text: string, marks = {}) => element('paragraph', words(text, marks))

/** A note with this in it, on a board. */
function noteOf(...blocks: unknown[]) {
  const doc = new Y.Doc()
  const board = new Board(doc)
  const id = board.addNote({ x: 0, y: 0 })
  const note = () => board.nodes.views.get().get(id) as NoteView
  note().text?.insert(0, blocks as Part[])
  return { doc, note }
}

/** The note on the page. */
function shown(doc: Y.Doc, note: NoteView) {
  const awareness = new Awareness(doc)
  const carets = new Carets(awareness, doc)
  closing.push(() => {
    carets.dispose()
    awareness.destroy()
  })
  render(
    <AroundContext value={{ open: { carets } } as unknown as Around}>
      <NoteText note={note} editable label="Note" cut takesFocus={() => false} onPress={undefined} />
    </AroundContext>,
  )
}

const NOT_WRITTEN = /can be read here, not written/

function embedded(): Y.XmlText {
  const text = new Y.XmlText()
  text.insertEmbed(0, { image: 'x' })
  return text
}

const FOREIGN: Record<string, () => unknown> = {
  'words outside of any block': () => words('hello'),
  'a string': () => 'hello',
  'an unknown block': () => element('table', paragraph('hello')),
  'an unknown mark': () => paragraph('hello', { underline: {} }),
  'something in the words': () => element('paragraph', embedded()),
  'a list of no items': () => element('bullet_list', paragraph('hello')),
  'an item of no list': () => element('list_item', paragraph('hello')),
}

test.each(Object.entries(FOREIGN))(
  'a note with %s in it is read as far as it can be, and stays as it is',
  async (_, block) => {
    const { doc, note } = noteOf(paragraph('before'), block())
    const before = Y.encodeStateAsUpdate(doc)
    shown(doc, note())
    act(() => void fireEvent.mouseDown(screen.getByText('before')))
    await vi.waitFor(() => screen.getByText(NOT_WRITTEN), { timeout: 30_000 })
    screen.getByText('before')
    expect(document.querySelector('.ProseMirror')).toBeNull()
    expect(Y.encodeStateAsUpdate(doc)).toEqual(before)
  },
)

test.each(Object.entries(FOREIGN))(
  'a note that is open for writing steps back for %s, and is written again when that is gone',
  async (_, block) => {
    const { doc, note } = noteOf(paragraph('before'))
    const other = new Y.Doc()
    doc.on('update', (update: Uint8Array) => Y.applyUpdate(other, update))
    other.on('update', (update: Uint8Array) => Y.applyUpdate(doc, update))
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
    const theirs = new Board(other).nodes.views.get().get(note().id) as NoteView
    shown(doc, note())
    const open = async () => {
      // By key: nothing has a place here.
      act(() => document.querySelector<HTMLElement>('.note-text')?.focus())
      await vi.waitFor(() => expect(document.querySelector('.ProseMirror-focused')).not.toBeNull())
    }
    await open()

    act(() => theirs.text?.insert(1, [block() as Part]))
    screen.getByText(NOT_WRITTEN)
    screen.getByText('before')
    expect(document.querySelector('.ProseMirror')).toBeNull()
    expect(document.activeElement, 'what is typed on goes nowhere').toBe(screen.getByRole('textbox'))
    expect(theirs.text?.length).toBe(2)
    expect(note().text?.toJSON()).toBe(theirs.text?.toJSON())

    act(() => theirs.text?.delete(1))
    expect(screen.queryByText(NOT_WRITTEN)).toBeNull()
    act(() => (document.activeElement as HTMLElement).blur())
    await open()
    expect(theirs.text?.toJSON()).toBe('<paragraph>before</paragraph>')
  },
)

test('lists that two people emptied at once are nothing to be lost, and the note stays one to be written', () => {
  const { note } = noteOf(
    paragraph('before'),
    element('bullet_list'),
    element('ordered_list', element('list_item')),
    element('blockquote'),
  )
  const { text } = note()
  expect(text && takes(text)).toBe(true)
})

test('what the editor itself writes, it takes', () => {
  const item = (text: string) => element('list_item', paragraph(text))
  const { note } = noteOf(
    paragraph('plain'),
    paragraph('all', { code: {}, em: {}, strong: {}, link: { href: 'https://example.org/' } }),
    element('paragraph'),
    element('paragraph', words('above'), element('hard_break'), words('below')),
    element('heading', words('Plan')),
    element('bullet_list', item('one'), element('list_item', paragraph('two'), element('ordered_list', item('three')))),
    element('blockquote', paragraph('said')),
    element('code_block', words('let x = 1')),
  )
  const { text } = note()
  expect(text && takes(text)).toBe(true)
  expect(takes(new Y.Doc().getXmlFragment('empty'))).toBe(true)
})
