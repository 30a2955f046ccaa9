// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfirmDialog } from './Dialog'

// What jsdom does not have.
beforeEach(() => {
  HTMLDialogElement.prototype.showModal = () => undefined
  HTMLDialogElement.prototype.close = () => undefined
})
afterEach(cleanup)

/** Whether somebody who types `text` may go on, where `name` is asked for. */
function mayGoOn(name: string, text: string): boolean {
  render(
    <ConfirmDialog
      title="Delete?"
      action="Delete"
      typed={name}
      onConfirm={() => Promise.resolve()}
      onClose={() => undefined}
    >
      It goes.
    </ConfirmDialog>,
  )
  fireEvent.change(screen.getByLabelText(/^Type/), { target: { value: text } })
  const button = screen.getByText('Delete', { selector: 'button' })
  const may = !(button as HTMLButtonElement).disabled
  cleanup()
  return may
}

test('a name is typed as it reads', () => {
  expect(mayGoOn('Comets', 'Comets')).toBe(true)
  expect(mayGoOn('Comets  and\u00a0moons', 'Comets and moons')).toBe(true)
  expect(mayGoOn('Mädchen', 'Ma\u0308dchen ')).toBe(true)
  for (const other of ['', 'comets', 'Comet', 'Com ets']) expect(mayGoOn('Comets', other), other).toBe(false)
})
