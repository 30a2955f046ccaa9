import { useEffect, type KeyboardEvent as ReactKeyboardEvent } from 'react'
import { isTyping } from '../../design/typing'
import { useAround } from '../context'
import { focusLabel } from './ConnectionEdge'

export type Ask = { kind: 'connect'; from: string } | { kind: 'keys' }

/** How much larger a key makes a note, in pixels. */
const STEP = 40

/** Keys for whatever on the board has the focus itself, and one for all of it. What selects, moves and removes is the canvas'. */
export function useBoardKeys(selection: ReadonlySet<string>, ask: (ask: Ask) => void) {
  const { open, mayWrite, show, openCode } = useAround()

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const busy = isTyping(event.target) || document.querySelector('dialog[open]') !== null
      if (event.key === '?' && !busy) ask({ kind: 'keys' })
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [ask])

  const openNode = (element: Element, id: string) => {
    const node = open.board.nodes.views.get().get(id)
    if (node?.type === 'container') show({ kind: 'container', id: node.container })
    else if (node?.type === 'code') openCode(node)
    else element.querySelector<HTMLElement>('.note-text')?.focus()
  }

  return (event: ReactKeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const element = event.target as Element
    const id = element.getAttribute('data-id')
    if (id === null) return
    if (element.matches('.react-flow__edge')) {
      if (event.key === 'Enter' && mayWrite) focusLabel(id)
    } else if (element.matches('.react-flow__node')) {
      if (event.key === 'c' && mayWrite) ask({ kind: 'connect', from: id })
      else if (event.key === 'Enter' && selection.has(id)) openNode(element, id)
      else if ((event.key === '+' || event.key === '-') && mayWrite)
        open.board.grow(id, event.key === '+' ? STEP : -STEP)
      else return
      event.preventDefault()
    }
  }
}
