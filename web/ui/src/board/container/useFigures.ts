import { useEffect } from 'react'
import { useCell } from '../cell'
import type { Figures } from '../connection/live'
import { useAround } from '../context'

const NONE: readonly Figures[] = []

/** The last minutes of a container, as long as somebody looks. */
export function useFigures(id: string): readonly Figures[] {
  const { live } = useAround().workspace
  useEffect(() => live.listen(), [live])
  return useCell(live.figures).get(id) ?? NONE
}
