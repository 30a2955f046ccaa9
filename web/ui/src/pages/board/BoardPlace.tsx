import { useCallback } from 'react'
import { orgs, projects, type User } from '../../api'
import { LinkButton, Notice, Page, useTitle } from '../../design'
import { paths } from '../../router'
import { useResource, valueOf } from '../../resource'
import { partOf } from '../../resource/part'

const BoardPage = partOf('Opening the board', async () => (await import('../../board/BoardPage')).default)

/** Fetches the board, the largest part of the client, while it is still asked who is signed in. */
export const prepareBoard = BoardPage.prepare

/** Looks up whose board it is while the board itself opens. */
export default function BoardPlace({ id, user }: { id: string; user: User }) {
  const load = useCallback(
    async (signal: AbortSignal) => {
      const project = await projects.show(id, signal)
      return { project, org: await orgs.show(project.organization_id, signal) }
    },
    [id],
  )
  const { state, reload } = useResource(load)
  const place = valueOf(state)
  useTitle(place?.project.name ?? 'Board')
  if (place !== undefined || state.name !== 'failed') {
    return <BoardPage id={id} place={place ?? null} me={user} />
  }
  if (state.error.status !== 404 && state.error.status !== 400) {
    return (
      <Page title="The board does not open">
        <Notice error={state.error} onRetry={reload} />
      </Page>
    )
  }
  return (
    <Page title="There is no such project" lead="It may have been deleted, or you are no member of its organization.">
      <LinkButton to={paths.home()}>Your organizations</LinkButton>
    </Page>
  )
}
