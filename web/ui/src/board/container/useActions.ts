import type { MenuItem } from '../../design'
import { useAround } from '../context'
import { actionsFor, type Action, type ContainerView } from '../model/containers'

const ITEMS: Record<Action, Pick<MenuItem, 'label' | 'icon' | 'danger'>> = {
  start: { label: 'Start', icon: 'play' },
  stop: { label: 'Stop', icon: 'stop' },
  restart: { label: 'Restart' },
  delete: { label: 'Delete container…', icon: 'trash', danger: true },
}

/** What can be done with a container, by whoever looks at it. */
export function useActions(container: ContainerView, card: string | null) {
  const { workspace, mayWrite, show, askDelete, askRemove } = useAround()
  const actions = mayWrite ? actionsFor(container) : []
  const run = (action: Action) => (action === 'delete' ? askDelete(container) : void workspace.act(container, action))
  const items: MenuItem[] = [
    {
      label: 'Details',
      onSelect: () => show({ kind: 'container', id: container.id }),
    },
    ...actions
      .filter((action) => action !== 'delete')
      .map((action) => ({ ...ITEMS[action], onSelect: () => run(action) })),
  ]
  if (mayWrite && card !== null)
    items.push({
      label: 'Remove the card',
      icon: 'close',
      onSelect: () => askRemove([card], []),
    })
  if (actions.includes('delete')) items.push({ ...ITEMS.delete, onSelect: () => run('delete') })
  return { actions, items, run }
}
