// Who is signed in. The session itself is a cookie that no script can read.

import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'
import { flushSync } from 'react-dom'
import { ApiError, account, onSessionEnd, type User } from '../api'
import { forgetKept } from './kept'

export type SessionState =
  { name: 'loading' } | { name: 'failed'; error: ApiError } | { name: 'nobody' } | { name: 'signed-in'; user: User }

interface SessionContext {
  state: SessionState
  /** Takes over whom the API has just signed in, in every tab of this browser. */
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
  useEffect(
    () =>
      onNews((news) => {
        if (news === 'left') return setState({ name: 'nobody' })
        // What cannot be asked now stays as it is.
        account.me().then(
          (user) => setState({ name: 'signed-in', user }),
          () => undefined,
        )
      }),
    [],
  )

  const enter = useCallback((user: User) => {
    setState({ name: 'signed-in', user })
    tell('entered')
  }, [])
  const user = state.name === 'signed-in' ? state.user.id : null
  const leave = useCallback(() => {
    // At once, here and in other tabs: what is open cannot be forgotten.
    flushSync(() => setState({ name: 'nobody' }))
    tell('left')
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

/** Tabs of one browser share the session: one that went on showing somebody else would act as whoever is signed in now. */
const CHANNEL = 'orrery-session'

type News = 'left' | 'entered'

let channel: BroadcastChannel | undefined
/** One for all: what is told through it is not heard here. */
const tabs = () => (channel ??= new BroadcastChannel(CHANNEL))

function tell(news: News): void {
  tabs().postMessage(news)
}

/** Calls back when somebody signs out or in in another tab. Returns how to stop. */
function onNews(listener: (news: News) => void): () => void {
  const hear = ({ data }: MessageEvent<News>) => listener(data)
  tabs().addEventListener('message', hear)
  return () => tabs().removeEventListener('message', hear)
}

function without(error: ApiError): SessionState {
  return error.status === 401 ? { name: 'nobody' } : { name: 'failed', error }
}

export function useSession(): SessionContext {
  const session = use(Context)
  if (session === null) throw new Error('there is a session provider around every page')
  return session
}
