import { useAround } from '../context'
import { SIZES } from '../model/nodes'
import { focusNote } from './NoteNode'
import { usePlace } from './usePlace'

/** Puts something new on the board, near the middle of what is seen of it, and opens it. */
export function useAdding() {
  const { open, show } = useAround()
  const place = usePlace(open)
  return {
    note: () => focusNote(open.board.addNote(place(SIZES.note))),
    code: () => show({ kind: 'code', node: open.board.addCode(place(SIZES.code), '', 'python') }),
    container: () => show({ kind: 'new-container' }),
  }
}
