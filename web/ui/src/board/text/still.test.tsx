// @vitest-environment jsdom
import { render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { openEditor } from './editor'
import { lettersIn, still } from './still'

const element = (name: string, attributes: Record<string, number>, ...inside: (Y.XmlElement | Y.XmlText)[]) => {
  const made = new Y.XmlElement<Record<string, number>>(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.insert(0, inside)
  return made as unknown as Y.XmlElement
}
const words = (text: string, marks: Record<string, unknown> = {}) => {
  const made = new Y.XmlText()
  made.insert(0, text, marks)
  return made
}
const paragraph = (text: string, marks = {}) => element('paragraph', {}, words(text, marks))

function textOf(...blocks: (Y.XmlElement | Y.XmlText)[]): Y.XmlFragment {
  const text = new Y.Doc().getXmlFragment('text')
  text.insert(0, blocks)
  return text
}

/** What the editor makes of it, without its own marks. */
function edited(text: Y.XmlFragment): string {
  const place = document.createElement('div')
  const { doc } = text
  if (doc === null) throw new Error('a text is part of a document')
  const editor = openEditor({
    place,
    text,
    awareness: new Awareness(doc),
    label: 'Note',
    editable: () => true,
    onFocus: () => undefined,
    onForeign: () => undefined,
  })
  const html = editor.dom.innerHTML.replaceAll(' class="ProseMirror-trailingBreak"', '')
  editor.destroy()
  return html
}

const rested = (text: Y.XmlFragment, letters = Infinity) => render(still(text, letters)).container

test('a text at rest is drawn as in the editor', () => {
  const text = textOf(
    element('heading', { level: 2 }, words('Plan')),
    paragraph('plain'),
    paragraph('strong', { strong: {} }),
    paragraph('all', { code: {}, em: {}, strong: {}, link: { href: 'https://example.org/' } }),
    paragraph('code', { code: {} }),
    paragraph('there', { link: { href: 'https://example.org/' } }),
    paragraph('nowhere', { link: { href: 'javascript:alert(1)' } }),
    element('paragraph', {}),
    element('paragraph', {}, words('above'), element('hard_break', {}), words('below')),
    element('bullet_list', {}, element('list_item', {}, paragraph('one')), element('list_item', {}, paragraph('two'))),
    element('ordered_list', { order: 3 }, element('list_item', {}, paragraph('three'))),
    element('blockquote', {}, paragraph('said')),
    element('code_block', {}, words('let x = 1\nlet y = 2')),
  )
  expect(rested(text).innerHTML).toBe(edited(text))
})

test('an empty text is one empty line', () => {
  const text = textOf()
  expect(rested(text).innerHTML).toBe('<p><br></p>')
  expect(edited(text)).toBe('<p><br></p>')
})

test('what this version does not know is shown by its words, and changes nothing', () => {
  const text = textOf(element('of_a_later_version', {}, paragraph('still here')))
  expect(rested(text).textContent).toBe('still here')
  expect(text.toJSON()).toContain('still here')
})

test('no more is drawn than there is room for', () => {
  const line = 'notes upon the memoir '
  const text = textOf(...Array.from({ length: 200 }, () => paragraph(line.repeat(10))))
  const letters = lettersIn({ width: 240, height: 160 })
  const drawn = rested(text, letters).textContent
  expect(drawn.length).toBe(letters)
  expect(
    rested(textOf(...Array.from({ length: 5_000 }, () => element('paragraph', {}))), letters).children.length,
  ).toBeLessThan(100)
})

test('depth has an end', () => {
  let deep = paragraph('the bottom')
  for (let depth = 0; depth < 500; depth += 1) deep = element('blockquote', {}, deep)
  expect(rested(textOf(deep, paragraph('the top'))).textContent).toBe('the top')
})
