// Starts n8n and stands before it. n8n cannot do without an account; here it has one, whose password nobody is told. Whoever
// comes through the platform's sign-in gate, which alone says who that is, works with that account; what comes by a public
// path, such as a webhook, comes as it is.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

const PORT = 5678
const INSIDE = { host: '127.0.0.1', port: 5677, agent: false }
const SESSION = 'n8n-auth'
/** A session is renewed this often; n8n ends it after a week. */
const RENEW_MS = 24 * 60 * 60 * 1000
const RETRY_MS = 1000
/** What ends a session, in all the ways in which n8n takes it. */
const LOGOUT = /^\/rest\/logout\/?($|\?)/i

const publicUrl = process.env.PUBLIC_URL ?? `http://localhost:${PORT}/`
const owner = { email: 'owner@example.org', firstName: 'The', lastName: 'Project', password: password() }
let session

const n8n = spawn('n8n', ['start'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    N8N_PORT: String(INSIDE.port),
    N8N_LISTEN_ADDRESS: INSIDE.host,
    N8N_EDITOR_BASE_URL: publicUrl,
    WEBHOOK_URL: publicUrl,
    // The gateway's, which says whose address a request comes from.
    N8N_PROXY_HOPS: '1',
    N8N_SECURE_COOKIE: 'false',
    // A second factor would be one person's, and lock out all others.
    N8N_MFA_ENABLED: 'false',
    N8N_RUNNERS_ENABLED: 'true',
    N8N_DIAGNOSTICS_ENABLED: 'false',
    N8N_PERSONALIZATION_ENABLED: 'false',
    N8N_VERSION_NOTIFICATIONS_ENABLED: 'false',
  },
})
n8n.once('exit', (code) => process.exit(code ?? 1))
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => n8n.kill(signal))

/** The owner's: made with the first start, and kept beside what n8n keeps. */
function password() {
  const folder = join(homedir(), '.n8n')
  const file = join(folder, 'owner-password')
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, `${randomBytes(24).toString('base64url')}A1`, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  return readFileSync(file, 'utf8')
}

function post(path, body) {
  const headers = { 'content-type': 'application/json' }
  return fetch(`http://${INSIDE.host}:${INSIDE.port}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

/** The cookie of a new session. The first start makes the account, which n8n refuses ever after. */
async function signIn() {
  let answer = await post('/rest/owner/setup', owner)
  if (answer.status === 400)
    answer = await post('/rest/login', { emailOrLdapLoginId: owner.email, password: owner.password })
  const cookies = answer.headers.getSetCookie().map((it) => it.split(';')[0])
  const cookie = cookies.find((it) => it.startsWith(`${SESSION}=`))
  if (!cookie) throw new Error(`n8n answers ${answer.status} to its owner`)
  return cookie
}

async function staySignedIn() {
  for (;;) {
    try {
      session = await signIn()
      await pause(RENEW_MS)
    } catch {
      await pause(RETRY_MS)
    }
  }
}

/** The request's headers, with the owner's session if somebody came through the gate, and with nobody else's. */
function inside({ headers }) {
  const cookies = (headers.cookie ?? '').split('; ').filter((it) => it && !it.startsWith(`${SESSION}=`))
  if (headers['x-auth-user-id']) cookies.push(session)
  return { ...without(headers, 'cookie'), ...(cookies.length && { cookie: cookies.join('; ') }) }
}

function without(headers, name) {
  return Object.fromEntries(Object.entries(headers).filter(([it]) => it !== name))
}

// However long a body takes: the gateway looks after that.
const door = createServer({ requestTimeout: 0 }, (asked, answered) => {
  const { method, url: path } = asked
  // Until its owner can work with it, it does not answer.
  if (!session) return answered.writeHead(503).end()
  // The session is everybody's: nobody ends it for the others.
  if (method === 'POST' && LOGOUT.test(path))
    return answered.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"loggedOut":true}}')
  const headers = without(inside(asked), 'connection')
  const forwarded = request({ ...INSIDE, method, path, headers }, (answer) => {
    answered.writeHead(answer.statusCode, without(answer.headers, 'connection'))
    pipeline(answer, answered, () => {})
  })
  forwarded.once('error', () => {
    // Half an answer must not look like a whole one.
    if (answered.headersSent) answered.destroy()
    else answered.writeHead(503).end()
  })
  pipeline(asked, forwarded, () => {})
})

door.on('upgrade', (asked, socket, head) => {
  const { method, url: path } = asked
  socket.once('error', () => socket.destroy())
  if (!session) return socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n')
  const forwarded = request({ ...INSIDE, method, path, headers: inside(asked) })
  forwarded.once('error', () => socket.destroy())
  forwarded.once('response', () => socket.destroy())
  forwarded.once('upgrade', (answer, other, first) => {
    const lines = answer.rawHeaders.flatMap((name, at, all) => (at % 2 ? [] : [`${name}: ${all[at + 1]}`]))
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
    if (first.length) socket.write(first)
    if (head.length) other.write(head)
    pipeline(socket, other, () => {})
    pipeline(other, socket, () => {})
  })
  forwarded.end()
})

door.listen(PORT, '0.0.0.0')
await staySignedIn()
