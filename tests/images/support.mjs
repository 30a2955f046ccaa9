// The real binary on the engine of this machine, and somebody with a browser's cookies in front of it.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { up } from '../browser/up.mjs'

const REDIRECTS_MAX = 12

/** What `docker` prints. */
export const docker = (...words) => execFileSync('docker', words, { encoding: 'utf8' }).trim()

/** `orrery up` with the engine of this machine. */
export async function orrery() {
  const { url, ...rest } = await up({ ORRERY_ENGINE_ENABLED: 'on', ORRERY_CONTAINERS_CLOCKS_DELETED_KEPT_MS: '500' })
  return { port: Number(new URL(url).port), ...rest }
}

/** Waits until `look` finds something. */
export async function until(what, seconds, look) {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const found = await look()
    if (found) return found
    assert.ok(Date.now() < deadline, `in vain: ${what}`)
    await pause(100)
  }
}

/** Cookies by host, and requests that send them; every name is this machine. */
export class Browser {
  #cookies = new Map()

  /** One request, as it is answered. */
  ask(url, { method = 'GET', headers = {}, body } = {}) {
    const kept = this.#kept(url)
    const text = typeof body === 'object' ? JSON.stringify(body) : body
    const type = typeof body === 'object' && { 'content-type': 'application/json' }
    return new Promise((resolve, reject) => {
      const asking = request(this.#request(url, { method, headers: { connection: 'close', ...headers, ...type } }))
      asking.once('error', reject)
      asking.once('response', (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) {
          const [pair, ...attributes] = cookie.split('; ')
          const at = pair.indexOf('=')
          if (attributes.some((it) => /^max-age=0$/i.test(it))) kept.delete(pair.slice(0, at))
          else kept.set(pair.slice(0, at), pair.slice(at + 1))
        }
        const chunks = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode, headers: response.headers, text })
        })
      })
      asking.end(text)
    })
  }

  /** What that host keeps here under this name. */
  cookie(url, name) {
    return this.#kept(url).get(name)
  }

  /** Opens a WebSocket as a page of that host does. */
  socket(url) {
    const key = randomBytes(16).toString('base64')
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': 13,
      'sec-websocket-key': key,
    }
    const headers = { origin: new URL(url).origin, ...upgrade }
    return new Promise((resolve, reject) => {
      const asking = request(this.#request(url, { headers }))
      asking.once('error', reject)
      asking.once('response', ({ statusCode }) => reject(new Error(`${url}: ${statusCode}`)))
      asking.once('upgrade', (_, socket, head) => resolve(new Socket(socket, head)))
      asking.end()
    })
  }

  /** Goes to a page as a browser does, wherever that leads. */
  async visit(url) {
    const headers = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
    for (let count = 0; count < REDIRECTS_MAX; count++) {
      const answer = await this.ask(url, { headers })
      if (![301, 302, 303, 307, 308].includes(answer.status)) return { ...answer, url }
      url = new URL(answer.headers.location, url).href
    }
    assert.fail(`${url} leads from one place to the next`)
  }

  #kept(url) {
    const { hostname } = new URL(url)
    const kept = this.#cookies.get(hostname) ?? new Map()
    this.#cookies.set(hostname, kept)
    return kept
  }

  #request(url, { method = 'GET', headers }) {
    const { href, host, port, origin } = new URL(url)
    const cookies = [...this.#kept(url)].map(([name, value]) => `${name}=${value}`).join('; ')
    const sent = { host, ...headers, ...(cookies && { cookie: cookies }) }
    return { host: '127.0.0.1', port, path: href.slice(origin.length), method, headers: sent }
  }
}

const TEXT = 0x81
const BINARY = 0x82
const MASKED = 0x80
/** What a frame's second byte says if its length follows in two bytes. */
const LONGER = 126

/** As much of a WebSocket as a visit takes. */
class Socket {
  #socket
  #heard

  constructor(socket, head) {
    this.#socket = socket
    this.#heard = head.toString('latin1')
    socket.setEncoding('latin1').on('data', (text) => (this.#heard += text))
    socket.on('error', () => {})
  }

  /** Sends a message in one frame, masked with zeros. */
  send(message) {
    const payload = Buffer.from(message)
    assert.ok(payload.length < 1 << 16)
    const kind = typeof message === 'string' ? TEXT : BINARY
    const length = Buffer.from([payload.length >> 8, payload.length & 0xff])
    this.#socket.write(Buffer.concat([Buffer.from([kind, MASKED | LONGER]), length, Buffer.alloc(4), payload]))
  }

  /** Whether what came has this in it. */
  heard(words) {
    return this.#heard.includes(words)
  }

  /** Waits until it has. */
  hears(words) {
    return until(`it says ${words}`, 20, () => this.heard(words))
  }

  close() {
    this.#socket.destroy()
  }
}
