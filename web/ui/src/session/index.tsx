// Who is signed in. The session itself is a cookie that no script can read.

import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'
import { ApiError, account, onSessionEnd, type User } from '../api'

export type SessionState =
  { name: 'loading' } | { name: 'failed'; error: ApiError } | { name: 'nobody' } | { name: 'signed-in'; user: User }

interface SessionContext {
  state: SessionState
  /** Takes over whom the API has just signed in. */
  enter: (user: User) => void
  signOut: () => Promise<void>
  /** Takes over that the account is gone, and its sessions with it. */
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

  const enter = useCallback((user: User) => setState({ name: 'signed-in', user }), [])
  const signOut = useCallback(async () => {
    await account.signOut()
    setState({ name: 'nobody' })
  }, [])
  const leave = useCallback(() => setState({ name: 'nobody' }), [])
  const retry = useCallback(() => {
    setState({ name: 'loading' })
    setAttempt((attempt) => attempt + 1)
  }, [])
  const value = useMemo(() => ({ state, enter, signOut, leave, retry }), [state, enter, signOut, leave, retry])
  return <Context value={value}>{children}</Context>
}

function without(error: ApiError): SessionState {
  return error.status === 401 ? { name: 'nobody' } : { name: 'failed', error }
}

export function useSession(): SessionContext {
  const session = use(Context)
  if (session === null) throw new Error('there is a session provider around every page')
  return session
}
