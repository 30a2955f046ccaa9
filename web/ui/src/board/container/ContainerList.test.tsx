// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react'
import { ReactFlowProvider } from '@xyflow/react'
import { afterEach, expect, test } from 'vitest'
import * as Y from 'yjs'
import { Cell } from '../cell'
import { AroundContext, type Around } from '../context'
import { Board } from '../model/board'
import { readContainer, type ContainerView } from '../model/containers'
import { ContainerList } from './ContainerList'

afterEach(cleanup)

const MANY = 500

function containersOf(count: number): ReadonlyMap<string, ContainerView> {
  const view = (at: number) =>
    readContainer(`uc_${at}`, {
      spec: { name: `Notebook #${String(at).padStart(3, '0')}`, image: at % 2 ? 'jupyter' : 'n8n' },
      status: { phase: 'running' },
    })
  return new Map(Array.from({ length: count }, (_, at) => [`uc_${at}`, view(at)]))
}

/** A list of containers, and a count of what is drawn in it. */
function listOf(count: number, mayWrite = true) {
  const containers = new Cell(containersOf(count))
  const around = {
    workspace: { containers, known: new Cell(true) },
    open: { board: new Board(new Y.Doc()) },
    mayWrite,
    show: () => undefined,
  } as unknown as Around
  const { container } = render(
    <ReactFlowProvider>
      <AroundContext value={around}>
        <ContainerList />
      </AroundContext>
    </ReactFlowProvider>,
  )
  const observer = new MutationObserver(() => undefined)
  observer.observe(container, { childList: true, subtree: true, characterData: true })
  /** Rows that were made anew since the last time this was asked. */
  const made = () => observer.takeRecords().reduce((sum, record) => sum + record.addedNodes.length, 0)
  return { containers, made, rows: () => [...container.querySelectorAll('li')] }
}

const filter = (text: string) =>
  fireEvent.change(screen.getByLabelText('Filter containers'), { target: { value: text } })

test('those who only read are not told to make one', () => {
  listOf(0, false)
  screen.getByText('None yet.')
  cleanup()
  listOf(0)
  screen.getByText(/choose one from the catalogue/)
})

test('of 500 containers a hundred are drawn, and more when somebody asks', () => {
  const { rows } = listOf(MANY)
  expect(rows()).toHaveLength(100)
  fireEvent.click(screen.getByText('Show more of 500'))
  expect(rows()).toHaveLength(200)
  filter('n8n')
  expect(rows()).toHaveLength(100)
})

test('filtering 500 containers makes no row that is there already', () => {
  const { made, rows } = listOf(MANY)
  filter('notebook #04')
  expect(rows().map((row) => row.textContent)).toEqual(
    Array.from({ length: 10 }, (_, at) => expect.stringContaining(`Notebook #04${at}`) as string),
  )
  expect(made(), 'what stays is not made anew').toBe(0)
  filter('notebook #0')
  expect(rows()).toHaveLength(100)
  // Nine tens of rows come back, and nothing else is made.
  expect(made()).toBe(90)
})

test('one container that changes draws one row', () => {
  const { containers, made, rows } = listOf(MANY)
  const before = rows()
  const changed = readContainer('uc_7', { spec: { name: 'Notebook #007' }, status: { phase: 'failed' } })
  act(() => containers.set(new Map(containers.get()).set(changed.id, changed)))
  expect(rows()[7]?.textContent).toContain('Failed')
  expect(rows()).toEqual(before)
  expect(made()).toBe(0)
})
