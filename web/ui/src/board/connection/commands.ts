import { uuidv4 } from 'lib0/random'
import { ApiError } from '../../api'
import { refusal } from '../../api/error'
import type { Access } from './access'

/** What members ask of the gateway. */
export type Command =
  | {
      type: 'user-containers:new'
      name: string
      image: string
      env?: Environment
      limits?: Limits
      port?: number
    }
  | { type: 'user-containers:delete'; user_container_id: string }
  | { type: 'user-container:start'; user_container_id: string }
  | { type: 'user-container:stop'; user_container_id: string }
  | { type: 'user-container:restart'; user_container_id: string }

export type Environment = Record<string, string | { value: string; secret: true }>

export interface Limits {
  cpus?: number
  memory_mb?: number
  pids?: number
}

export interface NewContainerResult {
  user_container_id: string
  slug: string
  url: string
}

const ATTEMPTS = 3
/** The gateway is gone, or the token was that of an earlier one. */
const PASSING = ['OFFLINE', 'GATEWAY_NOT_RUNNING', 'STALE_EPOCH', 'AUTHENTICATION_FAILED']
/** It is on its way to another slot. */
const MOVING = ['GATEWAY_MOVING', 'GATEWAY_UNREACHABLE', 'ORRERY_UNREACHABLE']
const MOVE_MS = 1_000

/** Asks the gateway of the access' project, with a valid token. */
export async function askGateway(access: Access, path: string, init: RequestInit = {}): Promise<Response> {
  await access.fresh()
  const [gateway, token] = [access.gateway.get(), access.token.get()]
  if (gateway === null || token === null) throw new ApiError('OFFLINE', 'the gateway cannot be reached', 0)
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${token}`)
  try {
    return await fetch(gateway.gateway_url + path, { ...init, headers })
  } catch (error) {
    if (ApiError.isAbort(error)) throw error
    throw new ApiError('OFFLINE', 'the gateway cannot be reached', 0)
  }
}

/** Gives a command, once however often it has to be sent. Throws an `ApiError`. */
export async function command<T>(access: Access, project: string, event: Command): Promise<T> {
  const body = JSON.stringify({
    project_id: project,
    event,
    idempotency_key: uuidv4(),
  })
  const init = {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await sendOnce<T>(access, init)
    } catch (error) {
      const { code } = ApiError.of(error)
      const isMoving = MOVING.includes(code)
      if (attempt === ATTEMPTS || !(isMoving || PASSING.includes(code))) throw error
      if (isMoving) await new Promise((resolve) => setTimeout(resolve, MOVE_MS))
      if (!(await access.revive())) throw error
    }
  }
}

async function sendOnce<T>(access: Access, init: RequestInit): Promise<T> {
  const response = await askGateway(access, '/collab/event', init)
  const answer: unknown = await response.json().catch(() => null)
  if (!response.ok) throw refusal(response.status, answer, response.headers.get('retry-after'))
  return (answer as { result: T }).result
}
