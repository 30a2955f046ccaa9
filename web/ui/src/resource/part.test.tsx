// @vitest-environment jsdom
import { cleanup, configure, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, test } from 'vitest'
import { partOf } from './part'

// A busy machine may take its own.
configure({ asyncUtilTimeout: 30_000 })
afterEach(cleanup)

const Greeting = ({ name }: { name: string }) => <p>Good day, {name}</p>

test('a part that does not come says so, and comes when it is asked for again', async () => {
  let network = false
  const Part = partOf('Fetching', () =>
    network ? Promise.resolve(Greeting) : Promise.reject(new TypeError('offline')),
  )
  Part.prepare()
  render(
    <>
      <p>what stands around it</p>
      <Part name="Ada" />
    </>,
  )
  screen.getByText('Fetching')
  await screen.findByRole('alert')
  screen.getByText('what stands around it')
  network = true
  fireEvent.click(screen.getByText('Try again'))
  await screen.findByText('Good day, Ada')
})

test('a part that is here already is shown at once', async () => {
  const Part = partOf('Fetching', () => Promise.resolve(Greeting))
  Part.prepare()
  await Promise.resolve()
  await Promise.resolve()
  render(<Part name="Grace" />)
  screen.getByText('Good day, Grace')
})
