import type { ReactNode } from 'react'
import { Notice, Spinner } from '../design'
import { valueOf, type Loaded } from '.'

interface LoadingProps<T> {
  of: Loaded<T>
  label?: string
  children: (value: T) => ReactNode
}

/** What a resource shows: its way here, why it did not come, or what it is. */
export function Loading<T>({ of: { state, reload }, label, children }: LoadingProps<T>) {
  const value = valueOf(state)
  return (
    <>
      {state.name === 'failed' && <Notice error={state.error} onRetry={reload} />}
      {state.name === 'loading' && <Spinner large {...(label === undefined ? {} : { label })} />}
      {value !== undefined && children(value)}
    </>
  )
}
