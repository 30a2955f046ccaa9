// Ganymede's API, one function per route. Paths and bodies are those of `/openapi.json`.

import { request } from './request'
import type {
  AccessToken,
  ApiKey,
  CreatedKey,
  Drained,
  Gateway,
  Member,
  Org,
  OrgRole,
  Project,
  ProjectMember,
  ProjectRole,
  Scope,
  Session,
  Slot,
  User,
} from './shapes'

export * from './shapes'
export { ApiError } from './error'
export { askEarly, onSessionEnd } from './request'

type Signal = AbortSignal | undefined

/** One key of an answer, of which the API names every value. */
const only =
  <K extends string>(key: K) =>
  <T>(answer: Record<K, T>): T =>
    answer[key]

const id = encodeURIComponent

export const account = {
  me: (signal?: Signal) => request<{ user: User }>('GET', '/api/auth/me', { signal }).then(only('user')),
  signUp: (form: { email: string; password: string; name: string }) =>
    request<{ user: User }>('POST', '/api/auth/signup', { body: form }).then(only('user')),
  signIn: (form: { email: string; password: string }) =>
    request<{ user: User }>('POST', '/api/auth/login', { body: form }).then(only('user')),
  signOut: () => request<void>('POST', '/api/auth/logout'),
  changePassword: (form: { password: string; new_password: string }) =>
    request<{ user: User }>('POST', '/api/auth/password', { body: form }).then(only('user')),
  /** Needs the password again. */
  remove: (password: string) => request<void>('DELETE', '/api/auth/me', { body: { password } }),
  /** A token for gateways, good for a few minutes. */
  token: (signal?: Signal) => request<AccessToken>('POST', '/api/auth/token', { signal }),
}

export const sessions = {
  list: (signal?: Signal) =>
    request<{ sessions: Session[] }>('GET', '/api/auth/sessions', { signal }).then(only('sessions')),
  end: (session: string) => request<void>('DELETE', `/api/auth/sessions/${id(session)}`),
  /** All but the one that asks. */
  endOthers: () => request<void>('DELETE', '/api/auth/sessions'),
}

export const apiKeys = {
  list: (signal?: Signal) => request<{ api_keys: ApiKey[] }>('GET', '/api/api-keys', { signal }).then(only('api_keys')),
  create: (form: { name: string; scopes: Scope[]; expires_at: string | null }) =>
    request<CreatedKey>('POST', '/api/api-keys', { body: form }),
  remove: (key: string) => request<void>('DELETE', `/api/api-keys/${id(key)}`),
}

export const orgs = {
  list: (signal?: Signal) => request<{ orgs: Org[] }>('GET', '/api/orgs', { signal }).then(only('orgs')),
  show: (org: string, signal?: Signal) =>
    request<{ org: Org }>('GET', `/api/orgs/${id(org)}`, { signal }).then(only('org')),
  create: (name: string) => request<{ org: Org }>('POST', '/api/orgs', { body: { name } }).then(only('org')),
  rename: (org: string, name: string) =>
    request<{ org: Org }>('PATCH', `/api/orgs/${id(org)}`, { body: { name } }).then(only('org')),
  remove: (org: string) => request<void>('DELETE', `/api/orgs/${id(org)}`),
}

export const members = {
  list: (org: string, signal?: Signal) =>
    request<{ members: Member[] }>('GET', `/api/orgs/${id(org)}/members`, { signal }).then(only('members')),
  add: (org: string, form: { email: string; role: OrgRole }) =>
    request<{ member: Member }>('POST', `/api/orgs/${id(org)}/members`, { body: form }).then(only('member')),
  setRole: (org: string, user: string, role: OrgRole) =>
    request<{ member: Member }>('PATCH', `/api/orgs/${id(org)}/members/${id(user)}`, { body: { role } }).then(
      only('member'),
    ),
  remove: (org: string, user: string) => request<void>('DELETE', `/api/orgs/${id(org)}/members/${id(user)}`),
}

export const projects = {
  list: (org: string, signal?: Signal) =>
    request<{ projects: Project[] }>('GET', `/api/orgs/${id(org)}/projects`, { signal }).then(only('projects')),
  show: (project: string, signal?: Signal) =>
    request<{ project: Project }>('GET', `/api/projects/${id(project)}`, { signal }).then(only('project')),
  create: (org: string, name: string) =>
    request<{ project: Project }>('POST', `/api/orgs/${id(org)}/projects`, { body: { name } }).then(only('project')),
  rename: (project: string, name: string) =>
    request<{ project: Project }>('PATCH', `/api/projects/${id(project)}`, { body: { name } }).then(only('project')),
  remove: (project: string) => request<void>('DELETE', `/api/projects/${id(project)}`),
  /** Marks it active and sees to it that a gateway serves its organization. */
  start: (project: string, signal?: Signal) =>
    request<{ project: Project; gateway: Gateway }>('POST', `/projects/${id(project)}/start`, { signal }),
  stop: (project: string) =>
    request<{ project: Project }>('POST', `/projects/${id(project)}/stop`).then(only('project')),
  members: (project: string, signal?: Signal) =>
    request<{ members: ProjectMember[] }>('GET', `/api/projects/${id(project)}/members`, { signal }).then(
      only('members'),
    ),
  setRole: (project: string, form: { email: string; role: ProjectRole }) =>
    request<{ member: ProjectMember }>('POST', `/api/projects/${id(project)}/members`, { body: form }).then(
      only('member'),
    ),
  /** What follows from the membership of the organization holds again. */
  unsetRole: (project: string, user: string) =>
    request<void>('DELETE', `/api/projects/${id(project)}/members/${id(user)}`),
}

export const pool = {
  slots: (signal?: Signal) => request<{ slots: Slot[] }>('GET', '/api/pool', { signal }).then(only('slots')),
  drain: (slot: number) => request<Drained>('POST', `/api/pool/slots/${slot}/drain`),
}
