import { Cell } from '../cell'
import type { Access } from './access'
import { ephemeralOf } from './wire'

/** Figures of one running container. Counters are totals since it started. */
export interface Figures {
  at: number
  cpu: number
  memory: number
  memoryLimit: number
  received: number
  transmitted: number
  read: number
  written: number
  processes: number
  heartbeatAge: number | null
}

export interface Pull {
  image: string
  percent: number
}

/** The last minutes, one figure a second. */
const HISTORY = 300
/** After a longer silence what came before is no history of what comes, and nothing that is so now. */
const SILENCE_MS = 10_000
const RETRY_MS = 2_000

/**
 * Live figures of containers: messages that stand in no document. They cost the gateway something as long as anybody
 * listens, so there is a connection only while somebody looks.
 */
export class Live {
  readonly figures = new Cell<ReadonlyMap<string, readonly Figures[]>>(new Map())
  readonly pulls = new Cell<ReadonlyMap<string, Pull>>(new Map())
  readonly #access: Access
  readonly #project: string
  #listeners = 0
  #socket: WebSocket | null = null
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(access: Access, project: string) {
    this.#access = access
    this.#project = project
  }

  /** Listens until the answer is called. */
  readonly listen = (): (() => void) => {
    this.#listeners += 1
    if (this.#listeners === 1) {
      this.#forgetOld()
      void this.#connect()
    }
    let listening = true
    return () => {
      if (!listening) return
      listening = false
      this.#listeners -= 1
      if (this.#listeners === 0) this.#close()
    }
  }

  async #connect(): Promise<void> {
    await this.#access.fresh()
    if (this.#listeners === 0 || this.#socket !== null) return
    const [gateway, token] = [this.#access.gateway.get(), this.#access.token.get()]
    if (gateway === null || token === null) return this.#again()
    const socket = new WebSocket(`${gateway.ws_url}/${this.#project}/system?token=${encodeURIComponent(token)}&ext=1`)
    socket.binaryType = 'arraybuffer'
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.#read(ephemeralOf(event.data))
    socket.onclose = () => {
      this.#socket = null
      if (this.#listeners > 0) this.#again()
    }
    this.#socket = socket
  }

  #again(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), RETRY_MS)
  }

  #forgetOld(): void {
    const since = Date.now() - SILENCE_MS
    this.figures.update((all) => new Map([...all].filter(([, figures]) => (figures.at(-1)?.at ?? 0) >= since)))
  }

  #close(): void {
    clearTimeout(this.#timer)
    if (this.#socket === null) return
    this.#socket.onclose = null
    this.#socket.onmessage = null
    this.#socket.close()
    this.#socket = null
    this.pulls.set(new Map())
  }

  #read(message: unknown): void {
    const read = readLive(message, Date.now())
    if (read === null) return
    if ('pull' in read) {
      this.pulls.update((pulls) => new Map(pulls).set(read.id, read.pull))
    } else {
      this.figures.update((all) => {
        const known = all.get(read.id) ?? []
        const before = read.figures.at - (known.at(-1)?.at ?? 0) > SILENCE_MS ? [] : known
        return new Map(all).set(read.id, [...before.slice(1 - HISTORY), read.figures])
      })
    }
  }
}

type LiveMessage = { id: string; figures: Figures } | { id: string; pull: Pull }

/** Reads a message 100; null for what this version does not know. */
export function readLive(message: unknown, at: number): LiveMessage | null {
  if (typeof message !== 'object' || message === null) return null
  const fields = message as Record<string, unknown>
  if (typeof fields.id !== 'string') return null
  const number = (name: string) => (typeof fields[name] === 'number' ? fields[name] : 0)
  if (fields.type === 'pull') {
    const percent = Math.min(100, Math.max(0, number('percent')))
    return {
      id: fields.id,
      pull: {
        image: typeof fields.image === 'string' ? fields.image : '',
        percent,
      },
    }
  }
  if (fields.type !== 'container') return null
  const figures: Figures = {
    at,
    cpu: number('cpu'),
    memory: number('memory_bytes'),
    memoryLimit: number('memory_limit_bytes'),
    received: number('rx_bytes'),
    transmitted: number('tx_bytes'),
    read: number('read_bytes'),
    written: number('written_bytes'),
    processes: number('pids'),
    heartbeatAge: typeof fields.heartbeat_age_ms === 'number' ? fields.heartbeat_age_ms : null,
  }
  return { id: fields.id, figures }
}
