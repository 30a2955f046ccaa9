import { ConfirmDialog } from '../../design'
import type { ContainerView } from '../model/containers'
import type { NodeView } from '../model/nodes'
import type { OpenBoard, Workspace } from '../workspace'

/** What is asked before it is done. */
export type Question =
  | { kind: 'delete'; container: ContainerView }
  | { kind: 'remove'; nodes: readonly string[]; edges: readonly string[]; takenBack: boolean }

interface ConfirmationsProps {
  question: Question
  workspace: Workspace
  open: OpenBoard
  onClose: () => void
}

export function Confirmation({ question, workspace, open, onClose }: ConfirmationsProps) {
  if (question.kind === 'delete') {
    const { container } = question
    return (
      <ConfirmDialog
        title={`Delete ${container.name}?`}
        action="Delete container"
        danger
        onClose={onClose}
        onConfirm={() => {
          void workspace.act(container, 'delete')
          return Promise.resolve()
        }}
      >
        <p>It is stopped, and everything in it is gone for everybody in the project. Its card stays and says so.</p>
      </ConfirmDialog>
    )
  }
  const views = open.board.nodes.views.get()
  const nodes = question.nodes.flatMap((id) => views.get(id) ?? [])
  return (
    <ConfirmDialog
      title={titleOf(nodes, question.edges.length)}
      action="Remove"
      onClose={onClose}
      onConfirm={() => {
        open.board.remove(question.nodes, question.edges)
        return Promise.resolve()
      }}
    >
      {question.takenBack && <p>Others may have changed it since.</p>}
      <p>{textOf(nodes, workspace)}</p>
    </ConfirmDialog>
  )
}

const NAMES: Record<NodeView['type'], string> = {
  note: 'note',
  code: 'code document',
  container: 'card',
  other: 'node',
}

function titleOf(nodes: readonly NodeView[], edges: number): string {
  const [first] = nodes
  if (first === undefined) return edges === 1 ? 'Remove this connection?' : `Remove ${edges} connections?`
  return nodes.length === 1 ? `Remove this ${NAMES[first.type]}?` : `Remove ${nodes.length} things from the board?`
}

function textOf(nodes: readonly NodeView[], workspace: Workspace): string {
  const containers = workspace.containers.get()
  const kept = nodes.flatMap((node) => (node.type === 'container' ? (containers.get(node.container)?.name ?? []) : []))
  const running =
    kept.length === 0
      ? ''
      : `${kept.join(', ')} ${kept.length === 1 ? 'stays as it is: only its card goes' : 'stay as they are: only their cards go'}. `
  return `${running}It disappears for everybody. Undo brings it back.`
}
