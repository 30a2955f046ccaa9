import type { OrgRole, ProjectRole } from '../api'
import type { Tone } from '../design'

export const orgRoles: readonly OrgRole[] = ['member', 'admin', 'owner']
export const projectRoles: readonly ProjectRole[] = ['viewer', 'editor', 'admin']

export const roleTone: Record<OrgRole, Tone> = { member: 'plain', admin: 'info', owner: 'brass' }

/** What each role of an organization may do, for whoever gives it. */
export const orgRoleMeaning: Record<OrgRole, string> = {
  member: 'A member works in projects and makes new ones.',
  admin: 'An admin also manages members and every project.',
  owner: 'An owner also decides about the organization and its owners.',
}

/** Whether somebody may manage members. The API decides; this only spares a refusal. */
export function managesMembers(role: OrgRole): boolean {
  return role !== 'member'
}

/** Which roles somebody may give, or take from whoever has them: only owners make and unmake owners. */
export function mayChange(own: OrgRole, from: OrgRole, to: OrgRole = from): boolean {
  return own === 'owner' || (own === 'admin' && from !== 'owner' && to !== 'owner')
}
