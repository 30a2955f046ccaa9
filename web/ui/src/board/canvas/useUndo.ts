import { useCallback, useEffect } from 'react'
import { isTyping } from '../../design/typing'
import { useCell } from '../cell'
import type { OpenBoard } from '../workspace'

/** Undo and redo of what was done here, by button and by key. */
export function useUndo({ board }: OpenBoard, mayWrite: boolean) {
  const can = useCell(board.can)
  const undo = useCallback(() => void (mayWrite && board.undo.undo()), [board, mayWrite])
  const redo = useCallback(() => void (mayWrite && board.undo.redo()), [board, mayWrite])
  useUndoKeys(undo, redo)
  return { can, undo, redo }
}

/** Undo by key, wherever on the page the focus is; texts have an undo of their own. */
function useUndoKeys(undo: () => void, redo: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event.target) || !(event.ctrlKey || event.metaKey) || event.altKey) return
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
