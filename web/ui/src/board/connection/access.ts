import { Cell } from '../cell'
import type { Ended } from './status'

/** Where an organization's gateway is reached. */
export interface Gateway {
  gateway_url: string
  ws_url: string
}

/** What the board asks of Ganymede. */
export interface AccessApi {
  start(project: string): Promise<Gateway>
  token(): Promise<{ access_token: string; expires_in: number }>
  /** Why an error means that there is no way in; null if it may pass. */
  final(error: unknown): Ended | null
}

/** Renewed when this much of its life is over. */
const RENEW_AT = 0.7
/** A token that ends sooner is not given out any more. */
const LEEWAY_MS = 5_000
const RETRY_MS = 3_000

/** The way to the gateway of one project: its address, and a token that is valid when it is needed. */
export class Access {
  readonly gateway = new Cell<Gateway | null>(null)
  readonly token = new Cell<string | null>(null)
  readonly ended = new Cell<Ended | null>(null)
  /** Why the last attempt did not work, while it is tried again. */
  readonly problem = new Cell<unknown>(null)
  readonly #api: AccessApi
  readonly #project: string
  #tokenEndsAt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #asking: Promise<boolean> | null = null
  #closed = false

  constructor(api: AccessApi, project: string) {
    this.#api = api
    this.#project = project
  }

  /** Starts the project if it does not run, and gets a token. Never more than one at a time; false if it did not work. */
  revive(): Promise<boolean> {
    return this.#askOnce(true)
  }

  /** Only the token, if it is about to end. */
  async fresh(): Promise<boolean> {
    if (this.token.get() !== null && Date.now() < this.#tokenEndsAt - LEEWAY_MS) return true
    return this.#renew()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #renew(): Promise<boolean> {
    return this.#askOnce(this.gateway.get() === null)
  }

  #askOnce(start: boolean): Promise<boolean> {
    this.#asking ??= this.#ask(start).finally(() => (this.#asking = null))
    return this.#asking
  }

  async #ask(start: boolean): Promise<boolean> {
    if (this.ended.get() !== null) return false
    try {
      const starting = start ? this.#api.start(this.#project) : null
      const [gateway, { access_token, expires_in }] = await Promise.all([starting, this.#api.token()])
      if (this.#closed) return false
      this.#tokenEndsAt = Date.now() + expires_in * 1_000
      this.#again(expires_in * 1_000 * RENEW_AT)
      this.problem.set(null)
      this.token.set(access_token)
      if (gateway !== null) this.gateway.set(gateway)
      return true
    } catch (error) {
      if (this.#closed) return false
      const why = this.#api.final(error)
      this.problem.set(error)
      if (why === null) this.#again(RETRY_MS)
      else this.ended.set(why)
      return false
    }
  }

  #again(after: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#renew(), after)
  }
}
