import { useCallback, useState } from 'react'
import { projects, type Org, type Project, type User } from '../../api'
import { Button, Empty } from '../../design'
import { useResource, useWhileVisible, valueOf, type Loaded } from '../../resource'
import { Loading } from '../../resource/Loading'
import { navigate, paths } from '../../router'
import { NameDialog } from '../NameDialog'
import { OrgFrame } from './OrgFrame'
import { ProjectList } from './ProjectList'

/** How often the list is asked for again: others start and stop projects too. */
const refreshMs = 15_000

/** The projects of an organization. */
export default function OrgPage({ id, user }: { id: string; user: User }) {
  const [creating, setCreating] = useState(false)
  const load = useCallback((signal: AbortSignal) => projects.list(id, signal), [id])
  const loaded = useResource(load)
  useWhileVisible(loaded.refresh, refreshMs)
  const create = () => setCreating(true)
  return (
    <OrgFrame
      id={id}
      here="projects"
      actions={() =>
        (valueOf(loaded.state)?.length ?? 0) > 0 && (
          <Button variant="primary" icon="add" onClick={create}>
            New project
          </Button>
        )
      }
    >
      {(org) => (
        <>
          <Content org={org} user={user} loaded={loaded} onCreate={create} />
          {creating && (
            <NameDialog
              title="New project"
              label="Name of the project"
              action="Make project"
              onSubmit={async (name) => navigate(paths.board((await projects.create(id, name)).id))}
              onClose={() => setCreating(false)}
            />
          )}
        </>
      )}
    </OrgFrame>
  )
}

interface ContentProps {
  org: Org
  user: User
  loaded: Loaded<Project[]>
  onCreate: () => void
}

function Content({ org, user, loaded, onCreate }: ContentProps) {
  return (
    <Loading of={loaded} label="Looking up its projects">
      {(list) =>
        list.length > 0 ? (
          <ProjectList org={org} user={user} projects={list} onChange={loaded.replace} />
        ) : (
          <Empty
            title="No project yet"
            action={
              <Button variant="primary" icon="add" onClick={onCreate}>
                New project
              </Button>
            }
          >
            A project has one live board, its documents and its user containers. Everybody in {org.name} sees it.
          </Empty>
        )
      }
    </Loading>
  )
}
