import type { ContainerView } from './containers'
import type { EdgeView, NodeView } from './nodes'

type Containers = ReadonlyMap<string, Pick<ContainerView, 'name'>>

const KINDS: Record<NodeView['type'], string> = {
  note: 'Note',
  code: 'Code document',
  container: 'Container',
  other: 'Something of a later version',
}

/** What a node is called where it is not seen: by readers of the screen, and in lists. */
export function nameOf(node: NodeView, containers: Containers): string {
  const own = ownName(node, containers)
  return own === '' ? KINDS[node.type] : `${KINDS[node.type]}: ${own}`
}

function ownName(node: NodeView, containers: Containers): string {
  switch (node.type) {
    case 'note':
      return node.beginning
    case 'container':
      return containers.get(node.container)?.name ?? ''
    case 'code':
    case 'other':
      return node.title
  }
}

/** The same for what connects two nodes. */
export function connectionName(edge: EdgeView, source: NodeView, target: NodeView, containers: Containers): string {
  const ends = `Connection from ${nameOf(source, containers)} to ${nameOf(target, containers)}`
  return edge.label === '' ? ends : `${ends}, ${edge.label}`
}
