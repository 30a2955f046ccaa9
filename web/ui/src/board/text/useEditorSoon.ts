import { useEffect } from 'react'
import { useCell } from '../cell'
import { useAround } from '../context'
import { prepareEditor } from './NoteText'

/** A browser that is never idle gets on with it after this time. */
const LATEST_MS = 2_000

/** Fetches the editor of notes once the board is there and the browser has nothing better to do. */
export function useEditorSoon(): void {
  const { open, mayWrite } = useAround()
  const { everInStep } = useCell(open.replica.state)
  // Without a gateway the board is there as soon as this browser's own copy is.
  const shown = useCell(open.board.nodes.views).size > 0 || everInStep
  useEffect(() => {
    if (!shown || !mayWrite) return
    // Not every browser says when it is idle.
    if (!('requestIdleCallback' in window)) return prepareEditor()
    const idle = requestIdleCallback(prepareEditor, { timeout: LATEST_MS })
    return () => cancelIdleCallback(idle)
  }, [shown, mayWrite])
}
