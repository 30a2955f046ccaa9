import { refusal } from '../../api/error'
import type { Access } from './access'
import { askGateway } from './commands'

export interface LogLine {
  /** Grows; for lists. */
  number: number
  text: string
  stream: 'stdout' | 'stderr' | null
}

/** One event of a `text/event-stream`. */
export interface StreamEvent {
  id: string | null
  type: string
  data: string
}

/** Cuts a stream of text into events; keeps what is not whole yet. */
export class EventReader {
  #rest = ''

  push(text: string): StreamEvent[] {
    const all = this.#rest + text
    // Half of a line break, perhaps.
    const half = all.endsWith('\r') ? '\r' : ''
    const blocks = all
      .slice(0, all.length - half.length)
      .replace(/\r\n?/g, '\n')
      .split('\n\n')
    this.#rest = (blocks.pop() ?? '') + half
    return blocks.map(eventOf).filter((event) => event !== null)
  }
}

function eventOf(block: string): StreamEvent | null {
  const event: StreamEvent = { id: null, type: 'message', data: '' }
  const data: string[] = []
  for (const line of block.split('\n')) {
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    if (field === 'data') data.push(value)
    else if (field === 'id') event.id = value
    else if (field === 'event') event.type = value
  }
  if (data.length === 0) return null
  event.data = data.join('\n')
  return event
}

/** The lines of an event: JSON `{text}`, or plain text. The event is called after the stream that was written to. */
export function linesOf(event: StreamEvent): Omit<LogLine, 'number'>[] {
  const stream = event.type === 'stdout' || event.type === 'stderr' ? event.type : null
  const text = jsonOf(event.data)?.text
  const lines = typeof text === 'string' ? [text.replace(/\r?\n$/, '')] : event.data.split('\n')
  return lines.map((line) => ({ text: line, stream }))
}

function jsonOf(data: string): Record<string, unknown> | null {
  if (!data.startsWith('{"')) return null
  try {
    return JSON.parse(data) as Record<string, unknown>
  } catch {
    return null
  }
}

export interface LogListener {
  lines(lines: Omit<LogLine, 'number'>[]): void
  /** The stream ended and will be tried again, or is there again. */
  connected(connected: boolean): void
  /** It was refused, and will not be tried again. */
  refused(error: unknown): void
}

const RETRY_MS = 2_000

/** Follows the log of a container until it is aborted; goes on where it was after an interruption. */
export async function followLogs(
  access: Access,
  path: { project: string; container: string; tail: number },
  listener: LogListener,
  signal: AbortSignal,
): Promise<void> {
  const address = `/collab/${path.project}/user-container/${path.container}/logs?tail=${path.tail}&follow=1`
  let last: string | null = null
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' }
      if (last !== null) headers['last-event-id'] = last
      const response = await askGateway(access, address, { headers, signal })
      if (!response.ok || response.body === null) {
        const error = refusal(response.status, await response.json().catch(() => null), null)
        // Not found is what has printed nothing yet; a token may end at any time.
        if (response.status < 500 && ![401, 404].includes(response.status)) return listener.refused(error)
        throw error
      }
      listener.connected(true)
      last = await readAll(response.body, listener, last)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Error)) throw error
    }
    listener.connected(false)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

async function readAll(body: ReadableStream<Uint8Array>, listener: LogListener, last: string | null) {
  const events = new EventReader()
  const text = new TextDecoder()
  const reader = body.getReader()
  let id = last
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return id
    const read = events.push(text.decode(value, { stream: true }))
    if (read.length === 0) continue
    id = read.at(-1)?.id ?? id
    listener.lines(read.flatMap(linesOf))
  }
}
