// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, expect, test, vi } from 'vitest'
import { Boundary } from './Boundary'

afterEach(cleanup)

test('what breaks takes nothing else away, and can be opened again', () => {
  // React tells of what it caught.
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const again = vi.fn()
  const Broken = (): never => {
    throw new Error('a defect')
  }
  render(
    <>
      <p>what stands around it</p>
      <Boundary title="Bernoulli numbers" onAgain={again}>
        <Broken />
      </Boundary>
    </>,
  )
  screen.getByText('what stands around it')
  screen.getByRole('heading', { name: 'Bernoulli numbers' })
  fireEvent.click(screen.getByRole('button', { name: 'Open it again' }))
  expect(again).toHaveBeenCalledOnce()
})
