// A shared list of notes on the board of a project, with the stock y-websocket provider. In an empty folder:
//
//   npm install yjs y-websocket ws
//   node board.mjs http://127.0.0.1:7000 you@example.org 'a long password'
//
// Signs up (or in), takes the first project it finds (or makes one), and connects. What you type into one copy of it
// shows in every other.
import { createInterface } from 'node:readline'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const [server = 'http://127.0.0.1:7000', email = 'you@example.org', password = 'a long password'] =
  process.argv.slice(2)
let cookie = ''

async function api(method, path, body) {
  const headers = { 'content-type': 'application/json', origin: new URL(server).origin, cookie }
  const response = await fetch(server + path, { method, headers, body: body && JSON.stringify(body) })
  cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie
  const answer = await response.json()
  if (!response.ok) throw Object.assign(new Error(answer.error.message), answer.error)
  return answer
}

async function signIn() {
  try {
    await api('POST', '/api/auth/signup', { email, password, name: email.split('@')[0] })
  } catch (error) {
    if (error.code !== 'CONFLICT') throw error
    await api('POST', '/api/auth/login', { email, password })
  }
}

async function firstProject() {
  const { orgs } = await api('GET', '/api/orgs')
  const org = orgs[0] ?? (await api('POST', '/api/orgs', { name: 'My organization' })).org
  const { projects } = await api('GET', `/api/orgs/${org.id}/projects`)
  return projects[0] ?? (await api('POST', `/api/orgs/${org.id}/projects`, { name: 'My project' })).project
}

const token = async () => (await api('POST', '/api/auth/token', {})).access_token

await signIn()
const project = await firstProject()
const { gateway } = await api('POST', `/projects/${project.id}/start`, {})

const doc = new Y.Doc()
const notes = doc.getArray('notes')
const provider = new WebsocketProvider(`${gateway.ws_url}/${project.id}`, 'board', doc, {
  WebSocketPolyfill: WebSocket,
  params: { token: await token() },
})
// A token opens a socket for some minutes; an open socket outlives it. A new one is there before the next reconnect.
setInterval(async () => Object.assign(provider.params, { token: await token() }), 120_000).unref()

provider.on('status', ({ status }) => console.log(`[${status}]`))
notes.observe((event) => {
  for (const { insert = [] } of event.delta) insert.forEach((note) => console.log(note))
})
createInterface({ input: process.stdin }).on('line', (line) => notes.push([line]))
