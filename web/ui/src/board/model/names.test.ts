import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { Board } from './board'
import { connectionName, nameOf } from './names'

const at = { x: 0, y: 0 }
const containers = new Map([['uc_1', { name: 'Notebook' }]])

test('things are called by what is in them', () => {
  const board = new Board(new Y.Doc())
  const named = (id: string) => {
    const node = board.nodes.views.get().get(id)
    return node && nameOf(node, containers)
  }
  const note = board.addNote(at)
  expect(named(note)).toBe('Note')
  const view = board.nodes.views.get().get(note)
  const text = view?.type === 'note' ? view.text : null
  const paragraph = (words: string) => {
    const element = new Y.XmlElement('paragraph')
    element.insert(0, [new Y.XmlText(words)])
    return element
  }
  text?.insert(0, [paragraph('Plan'), paragraph('seven by Thursday, '.repeat(9))])
  expect(named(note)).toMatch(/^Note: Plan seven by Thursday, seven.{20,60}…$/)
  expect(named(board.addCard(at, 'uc_1'))).toBe('Container: Notebook')
  expect(named(board.addCard(at, 'uc_2'))).toBe('Container')
  expect(named(board.addCode(at, 'bernoulli.py', 'python'))).toBe('Code document: bernoulli.py')
})

test('a connection says what it connects, and what it is', () => {
  const board = new Board(new Y.Doc())
  const [card, code] = [board.addCard(at, 'uc_1'), board.addCode(at, '', 'text')]
  const edge = board.connect(card, code) ?? ''
  const named = () => {
    const [nodes, view] = [board.nodes.views.get(), board.edges.views.get().get(edge)]
    const [source, target] = [nodes.get(card), nodes.get(code)]
    return view && source && target && connectionName(view, source, target, containers)
  }
  expect(named()).toBe('Connection from Container: Notebook to Code document')
  board.label(edge, 'runs')
  expect(named()).toBe('Connection from Container: Notebook to Code document, runs')
})
