import { lazy, Suspense, useCallback } from 'react'
import { orgs, projects, type User } from '../../api'
import { LinkButton, Notice, Page, Spinner, useTitle } from '../../design'
import { paths } from '../../router'
import { useResource, valueOf } from '../../resource'

const loadBoard = () => import('../../board/BoardPage')
const BoardPage = lazy(loadBoard)

/** Fetches the board, the largest part of the client, while it is still asked who is signed in. */
export function prepareBoard(): void {
  // Whoever shows it asks again, and says what is wrong.
  loadBoard().catch(() => undefined)
}

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
    return (
      <Suspense fallback={<Spinner large label="Opening the board" />}>
        <BoardPage id={id} place={place ?? null} me={user} />
      </Suspense>
    )
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
