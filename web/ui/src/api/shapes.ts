// What the API answers, as `web/src/api/shape.rs` writes it. Times are ISO 8601.

export type OrgRole = 'member' | 'admin' | 'owner'
export type ProjectRole = 'viewer' | 'editor' | 'admin'

/** The one who is signed in, as they see themselves. */
export interface User {
  id: string
  email: string
  name: string
  /** Whether they may see and change the installation itself. */
  administrator: boolean
  created_at: string
}

/** One browser that somebody is signed in with. */
export interface Session {
  id: string
  /** Whether it is the one that asks. */
  current: boolean
  created_at: string
  /** To the hour. */
  last_used_at: string
  /** When it ends, unless it is used. */
  expires_at: string
}

/** An organization, and what the caller is in it. */
export interface Org {
  id: string
  name: string
  role: OrgRole
  created_at: string
}

/** Somebody as other members see them. */
export interface Person {
  id: string
  email: string
  name: string
}

export interface Member {
  user: Person
  role: OrgRole
  added_at: string
}

export interface Project {
  id: string
  organization_id: string
  name: string
  /** Whether somebody started it and nobody stopped it since. */
  active: boolean
  created_at: string
  last_started_at: string | null
  last_activity_at: string | null
}

export interface ProjectMember {
  user: Person
  /** What holds, wherever it comes from. */
  role: ProjectRole
  /** The role that was given for this project, if any. It counts for those who are plain members. */
  given: ProjectRole | null
  organization_role: OrgRole
}

export type Scope = 'read' | 'write' | 'admin'

export interface ApiKey {
  id: string
  name: string
  /** Each includes those before it. */
  scopes: Scope[]
  created_at: string
  last_used_at: string | null
  /** From when on it opens nothing; never, if `null`. */
  expires_at: string | null
}

/** A key, this once with what makes it one. */
export interface CreatedKey extends ApiKey {
  key: string
}

/** Where an organization's gateway is reached. */
export interface Gateway {
  gateway_hostname: string
  gateway_url: string
  /** What a stock Yjs client takes as address, before `/{project}`. */
  ws_url: string
}

export interface AccessToken {
  access_token: string
  /** In seconds. */
  expires_in: number
}

export type SlotState = 'ready' | 'allocated' | 'draining' | 'lost'

export interface Slot {
  slot: number
  state: SlotState
  gateway_id: string
  /** Where its gateway listens; `null` for the one in Ganymede's own process. */
  listen: string | null
  org: string | null
  epoch: number | null
  /** How far the allocation has come. */
  step: string | null
  since: string | null
  last_renewal: string | null
}

/** A slot that serves nobody, and where its organization is served now. */
export interface Drained {
  slot: number
  allocation: { organization_id: string; slot: number; gateway_id: string; epoch: number } | null
}
