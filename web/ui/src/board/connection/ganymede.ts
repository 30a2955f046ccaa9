import { ApiError, account, projects, type ProjectRole } from '../../api'
import type { AccessApi } from './access'
import { gatewayOf } from './reach'
import type { Ended } from './status'

function final(error: unknown): Ended | null {
  const { status } = ApiError.of(error)
  if (status === 401) return 'signed-out'
  if (status === 403) return 'no-access'
  return status === 404 ? 'gone' : null
}

export const ganymede: AccessApi = {
  start: async (id) => gatewayOf((await projects.start(id)).project.organization_id, window.location.origin),
  token: () => account.token(),
  final,
}

/** What the one with this id may do in the project; the least, should that not be known. */
export async function roleIn(project: string, user: string, signal: AbortSignal): Promise<ProjectRole> {
  const members = await projects.members(project, signal)
  return members.find((member) => member.user.id === user)?.role ?? 'viewer'
}
