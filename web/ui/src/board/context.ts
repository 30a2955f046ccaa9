import { createContext, use } from 'react'
import type { ContainerView } from './model/containers'
import type { CodeView } from './model/nodes'
import type { OpenBoard, Workspace } from './workspace'

/** What stands beside the board. */
export type Panel =
  { kind: 'container'; id: string } | { kind: 'code'; node: string } | { kind: 'new-container' } | null

/** What parts of the board ask of the page around them. */
export interface Around {
  workspace: Workspace
  open: OpenBoard
  mayWrite: boolean
  panel: Panel
  show: (panel: Panel) => void
  /** Asks before a container is deleted. */
  askDelete: (container: ContainerView) => void
  /** Asks before nodes are removed, and says what that does not do; and why it asks, if one only took something back. */
  askRemove: (nodes: readonly string[], edges: readonly string[], takenBack?: boolean) => void
  openCode: (node: CodeView) => void
}

export const AroundContext = createContext<Around | null>(null)

export function useAround(): Around {
  const around = use(AroundContext)
  if (around === null) throw new Error('there is a board around each of its parts')
  return around
}
