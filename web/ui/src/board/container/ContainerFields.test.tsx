// @vitest-environment jsdom
import { cleanup, configure, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { ApiError } from '../../api'
import { AroundContext, type Around } from '../context'
import { readImage } from '../model/images'
import { ContainerFields } from './ContainerFields'

// A busy machine may take its own.
configure({ asyncUtilTimeout: 30_000 })
afterEach(cleanup)

/** A form for this image; the gateway finds these fields wrong. */
async function refused(image: object, fields: Record<string, string>) {
  const create = () => Promise.reject(new ApiError('INVALID_INPUT', 'some fields are wrong', 400, fields))
  const around = { workspace: { create } } as unknown as Around
  render(
    <AroundContext value={around}>
      <ContainerFields
        image={readImage('x', { name: 'Notebook', ...image })}
        onBack={() => undefined}
        onCreated={() => undefined}
      />
    </AroundContext>,
  )
  if ('generic' in image) fireEvent.change(screen.getByLabelText('Image'), { target: { value: 'nginx' } })
  fireEvent.click(screen.getByText('Create container'))
  return Promise.all(Object.values(fields).map((problem) => screen.findByText(new RegExp(problem, 'i'))))
}

test('nothing that the gateway finds wrong goes unsaid, whether the form has the field or not', async () => {
  const [image, runner, port] = await refused(
    {},
    { image: 'is in the catalogue no more', runner: 'is unknown', port: 'is for other images' },
  )
  for (const element of [image, runner, port]) expect(element?.closest('[role=alert]')).not.toBeNull()
})

test('what is wrong with a field that the form has stands beside it', async () => {
  const [image, port] = await refused({ generic: true }, { image: 'is not allowed here', port: 'is taken' })
  expect(screen.getByLabelText('Image').getAttribute('aria-describedby')).toContain(image?.id)
  expect(screen.getByLabelText('Port').getAttribute('aria-describedby')).toContain(port?.id)
  expect(screen.queryByRole('alert')).toBeNull()
})
