import { useEffect, useRef, useState } from 'react'
import { followLogs, type LogLine } from '../connection/logs'
import { useAround } from '../context'
import { keepLast, LINES_MAX } from '../model/tail'

/** However fast it writes, it is drawn at this pace. */
const DRAW_EVERY_MS = 100

export interface LogState {
  lines: readonly LogLine[]
  connected: boolean
  error: unknown
}

/** Follows the log of a container. While it is paused lines are kept, and shown afterwards. */
export function useLogLines(id: string, paused: boolean): LogState {
  const { session } = useAround().workspace
  const [state, setState] = useState<LogState>({
    lines: [],
    connected: false,
    error: null,
  })
  const hold = useRef(paused)
  useEffect(() => {
    hold.current = paused
  }, [paused])

  useEffect(() => {
    const stop = new AbortController()
    let [waiting, number]: [readonly LogLine[], number] = [[], 0]
    const draw = () => {
      if (hold.current || waiting.length === 0) return
      const fresh = waiting
      waiting = []
      setState((state) => ({
        ...state,
        lines: keepLast(state.lines, fresh),
      }))
    }
    const timer = setInterval(draw, DRAW_EVERY_MS)
    const listener = {
      lines: (lines: Omit<LogLine, 'number'>[]) => {
        waiting = keepLast(
          waiting,
          lines.map((line) => ({ ...line, number: (number += 1) })),
        )
      },
      connected: (connected: boolean) => setState((state) => ({ ...state, connected })),
      refused: (error: unknown) => setState((state) => ({ ...state, connected: false, error })),
    }
    const path = { project: session.project, container: id, tail: LINES_MAX }
    void followLogs(session.access, path, listener, stop.signal)
    return () => {
      stop.abort()
      clearInterval(timer)
    }
  }, [session, id])
  return state
}
