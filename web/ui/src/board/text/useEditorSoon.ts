import { useEffect } from 'react'
import { useCell } from '../cell'
import { useAround } from '../context'
import { prepareCode } from '../code/CodePanel'
import { prepareEditor } from './NoteText'

/** Without a network nothing more comes, and one goes on working. */
function prepare(): void {
  prepareEditor()
  prepareCode()
}

/** A browser that is never idle gets on with it after this time. */
const LATEST_MS = 2_000

/** Fetches the editors of notes and of code once the board is there and the browser has nothing better to do. */
export function useEditorSoon(): void {
  const { open, mayWrite } = useAround()
  const { everInStep } = useCell(open.replica.state)
  // Without a gateway the board is there as soon as this browser's own copy is.
  const shown = useCell(open.board.nodes.views).size > 0 || everInStep
  useEffect(() => {
    if (!shown || !mayWrite) return
    // Not every browser says when it is idle.
    if (!('requestIdleCallback' in window)) return prepare()
    const idle = requestIdleCallback(prepare, { timeout: LATEST_MS })
    return () => cancelIdleCallback(idle)
  }, [shown, mayWrite])
}
