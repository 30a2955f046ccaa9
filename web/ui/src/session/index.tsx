// Who is signed in. The session itself is a cookie that no script can read.

import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'
import { flushSync } from 'react-dom'
import { ApiError, account, onSessionEnd, type User } from '../api'
import { forgetKept } from './kept'

export type SessionState =
  { name: 'loading' } | { name: 'failed'; error: ApiError } | { name: 'nobody' } | { name: 'signed-in'; user: User }

interface SessionContext {
  state: SessionState
  /** Takes over whom the API has just signed in. */
  enter: (user: User) => void
  signOut: () => Promise<void>
  /** Takes over that the session has ended by the will of its owner: this browser forgets what it kept of their documents. */
  leave: () => void
  /** Asks again, after a failure. */
  retry: () => void
}

const Context = createContext<SessionContext | null>(null)

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ name: 'loading' })
  const [attempt, setAttempt] = useState(0)

  useEffect(() => {
    const stop = new AbortController()
    account.me(stop.signal).then(
      (user) => setState({ name: 'signed-in', user }),
      (error: unknown) => {
        if (!ApiError.isAbort(error)) setState(without(ApiError.of(error)))
      },
    )
    return () => stop.abort()
  }, [attempt])

  useEffect(() => onSessionEnd(() => setState({ name: 'nobody' })), [])
  useEffect(() => onLeft(() => setState({ name: 'nobody' })), [])

  const enter = useCallback((user: User) => setState({ name: 'signed-in', user }), [])
  const user = state.name === 'signed-in' ? state.user.id : null
  const leave = useCallback(() => {
    // At once, here and in other tabs: what is open cannot be forgotten.
    flushSync(() => setState({ name: 'nobody' }))
    tellLeft()
    if (user !== null) void forgetKept(user)
  }, [user])
  const signOut = useCallback(async () => {
    await account.signOut()
    leave()
  }, [leave])
  const retry = useCallback(() => {
    setState({ name: 'loading' })
    setAttempt((attempt) => attempt + 1)
  }, [])
  const value = useMemo(() => ({ state, enter, signOut, leave, retry }), [state, enter, signOut, leave, retry])
  return <Context value={value}>{children}</Context>
}

/** Tabs of one browser share the session. */
const CHANNEL = 'orrery-session'

function tellLeft(): void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.postMessage('left')
  channel.close()
}

/** Calls back when somebody signs out in another tab. Returns how to stop. */
function onLeft(listener: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = listener
  return () => channel.close()
}

function without(error: ApiError): SessionState {
  return error.status === 401 ? { name: 'nobody' } : { name: 'failed', error }
}

export function useSession(): SessionContext {
  const session = use(Context)
  if (session === null) throw new Error('there is a session provider around every page')
  return session
}
