// What a page has asked the API for: on its way, here, or refused.

import { useCallback, useEffect, useRef, useState } from 'react'
import { ApiError } from '../api'

export type Resource<T> =
  { name: 'loading' } | { name: 'ready'; value: T } | { name: 'failed'; error: ApiError; value?: T }

export interface Loaded<T> {
  state: Resource<T>
  /** Asks again, and keeps what is there until the answer. An answer that is on its way is not waited for. */
  reload: () => void
  /** Asks again unless an answer is on its way: what is asked every so often would else never be answered to who is far. */
  refresh: () => void
  /** Takes over what a change answered. Asks again only if an answer is on its way, which may be older than the change. */
  replace: (change: (value: T) => T) => void
}

/** Asks when the page opens and whenever `load` changes: wrap it in `useCallback`. */
export function useResource<T>(load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [held, setHeld] = useState<{ of: unknown; state: Resource<T> }>({ of: load, state: { name: 'loading' } })
  const [turn, setTurn] = useState(0)
  const underWay = useRef(false)

  useEffect(() => {
    const stop = new AbortController()
    underWay.current = true
    load(stop.signal).then(
      (value) => {
        if (stop.signal.aborted) return
        underWay.current = false
        setHeld({ of: load, state: { name: 'ready', value } })
      },
      (error: unknown) => {
        if (stop.signal.aborted) return
        underWay.current = false
        if (ApiError.isAbort(error)) return
        setHeld((held) => ({ of: load, state: failed(error, held.of === load ? held.state : undefined) }))
      },
    )
    return () => stop.abort()
  }, [load, turn])

  const reload = useCallback(() => setTurn((turn) => turn + 1), [])
  const refresh = useCallback(() => {
    if (!underWay.current) reload()
  }, [reload])
  const replace = useCallback(
    (change: (value: T) => T) => {
      setHeld((held) => {
        const value = valueOf(held.state)
        return value === undefined ? held : { ...held, state: { name: 'ready', value: change(value) } }
      })
      if (underWay.current) reload()
    },
    [reload],
  )
  return { state: held.of === load ? held.state : { name: 'loading' }, reload, refresh, replace }
}

/** What is here, even if the last attempt to ask again failed. */
export function valueOf<T>(state: Resource<T>): T | undefined {
  return state.name === 'loading' ? undefined : state.value
}

function failed<T>(error: unknown, before: Resource<T> | undefined): Resource<T> {
  const value = before && valueOf(before)
  return value === undefined
    ? { name: 'failed', error: ApiError.of(error) }
    : { name: 'failed', error: ApiError.of(error), value }
}

/** Calls back every so often while the page can be seen, and at once when it can be seen again. */
export function useWhileVisible(callback: () => void, everyMs: number): void {
  useEffect(() => {
    const turn = () => {
      if (document.visibilityState === 'visible') callback()
    }
    const timer = setInterval(turn, everyMs)
    document.addEventListener('visibilitychange', turn)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', turn)
    }
  }, [callback, everyMs])
}
