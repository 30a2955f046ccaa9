import { useCallback, useEffect, useState } from 'react'
import { useAround } from '../context'

/** What is selected here, nodes and connections. Others see it. */
export function useSelection() {
  const { awareness } = useAround().open.replica
  const [selection, setSelection] = useState<ReadonlySet<string>>(new Set())
  const select = useCallback((id: string, selected: boolean) => {
    setSelection((before) => {
      if (before.has(id) === selected) return before
      const after = new Set(before)
      if (selected) after.add(id)
      else after.delete(id)
      return after
    })
  }, [])
  useEffect(() => awareness.setLocalStateField('selected', [...selection]), [awareness, selection])
  // Whoever looks at the list instead has nothing in their hand.
  useEffect(() => () => awareness.setLocalStateField('selected', []), [awareness])
  return [selection, select] as const
}
