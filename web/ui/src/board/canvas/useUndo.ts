import { useEffect, useMemo } from 'react'
import { isTyping } from '../../design/typing'
import { useCell } from '../cell'
import { useAround } from '../context'
import type { Things } from '../model/board'

/** Undo and redo of what was done here, by button and by key. What others have a part in goes only if one says so. */
export function useUndo() {
  const { open, mayWrite, askRemove } = useAround()
  const { board } = open
  const can = useCell(board.can)
  const [undo, redo] = useMemo(() => {
    const go = (back: () => Things | null) => () => {
      const shared = mayWrite ? back() : null
      if (shared !== null) askRemove(shared.nodes, shared.edges, true)
    }
    return [go(() => board.undo()), go(() => board.redo())] as const
  }, [board, mayWrite, askRemove])
  useUndoKeys(undo, redo)
  return { can, undo, redo }
}

/** Undo by key, wherever on the page the focus is; texts have an undo of their own. */
function useUndoKeys(undo: () => void, redo: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const busy = isTyping(event.target) || document.querySelector('dialog[open]') !== null
      if (busy || !(event.ctrlKey || event.metaKey) || event.altKey) return
      const key = event.key.toLowerCase()
      if (key !== 'z' && key !== 'y') return
      event.preventDefault()
      if (key === 'y' || event.shiftKey) redo()
      else undo()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [undo, redo])
}
