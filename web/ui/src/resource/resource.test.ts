// @vitest-environment jsdom
import { act, renderHook, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import { ApiError } from '../api'
import { useResource, valueOf } from '.'
import { useSubmission } from './form'

/** A question whose answers the test gives, one a time. */
function questions<T>() {
  const asked: { answer: (value: T) => void; refuse: (error: unknown) => void; signal: AbortSignal }[] = []
  const load = (signal: AbortSignal) =>
    new Promise<T>((answer, refuse) => {
      asked.push({ answer, refuse, signal })
    })
  return { asked, load }
}

test('a resource keeps what it had while it is asked for again, and when that fails', async () => {
  const { asked, load } = questions<string>()
  const { result } = renderHook(() => useResource(load))
  expect(result.current.state).toEqual({ name: 'loading' })
  act(() => asked[0]?.answer('first'))
  await waitFor(() => expect(result.current.state).toEqual({ name: 'ready', value: 'first' }))

  act(() => result.current.reload())
  expect(valueOf(result.current.state)).toBe('first')
  const error = new ApiError('OFFLINE', 'nothing answers', 0)
  act(() => asked[1]?.refuse(error))
  await waitFor(() => expect(result.current.state).toEqual({ name: 'failed', error, value: 'first' }))
  act(() => result.current.replace((value) => `${value}, changed`))
  expect(result.current.state).toEqual({ name: 'ready', value: 'first, changed' })
})

test('what was asked for another page is aborted and never shown', async () => {
  const [here, there] = [questions<string>(), questions<string>()]
  const { result, rerender } = renderHook(({ load }) => useResource(load), { initialProps: { load: here.load } })
  rerender({ load: there.load })
  expect(here.asked[0]?.signal.aborted).toBe(true)
  act(() => here.asked[0]?.answer('here'))
  expect(result.current.state).toEqual({ name: 'loading' })
  act(() => there.asked[0]?.answer('there'))
  await waitFor(() => expect(valueOf(result.current.state)).toBe('there'))
})

test('what is asked every so often waits for its answer', async () => {
  const { asked, load } = questions<string>()
  const { result } = renderHook(() => useResource(load))
  act(() => result.current.refresh())
  act(() => result.current.refresh())
  expect(asked).toHaveLength(1)
  expect(asked[0]?.signal.aborted).toBe(false)
  act(() => asked[0]?.answer('late'))
  await waitFor(() => expect(valueOf(result.current.state)).toBe('late'))
  act(() => result.current.refresh())
  expect(asked).toHaveLength(2)
})

test('an answer that was on its way when something changed is not believed', async () => {
  const { asked, load } = questions<string>()
  const { result } = renderHook(() => useResource(load))
  act(() => asked[0]?.answer('started'))
  await waitFor(() => expect(valueOf(result.current.state)).toBe('started'))
  act(() => result.current.replace(() => 'stopped'))
  expect(asked).toHaveLength(1)

  act(() => result.current.refresh())
  act(() => result.current.replace(() => 'deleted'))
  expect(asked[1]?.signal.aborted).toBe(true)
  act(() => asked[1]?.answer('stopped'))
  act(() => asked[2]?.answer('deleted'))
  await waitFor(() => expect(valueOf(result.current.state)).toBe('deleted'))
})

test('what is wrong with a form stands beside its field, or above if no field shows it', async () => {
  const { result } = renderHook(() => useSubmission(['email']))
  const refuse = (fields: Record<string, string>) =>
    act(() => result.current.submit(() => Promise.reject(new ApiError('INVALID_INPUT', 'not valid', 400, fields))))
  await refuse({ email: 'is no e-mail address' })
  expect(result.current).toMatchObject({ busy: false, error: undefined, fields: { email: 'is no e-mail address' } })
  await refuse({ body: 'must be a JSON object' })
  expect(result.current.error?.message).toBe('not valid')
  await act(() => result.current.submit(() => Promise.resolve()))
  expect(result.current).toMatchObject({ error: undefined, fields: {} })
})
