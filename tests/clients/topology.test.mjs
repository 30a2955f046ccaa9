// Separate processes for real: the control plane, three gateways, PostgreSQL, PowerDNS and nginx on this machine, with the files
// of deploy/. People come in through nginx by host name, over TLS; names come from PowerDNS.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { removeAll } from '../image/remove.mjs'
import { Confirmations } from './confirmations.mjs'
import { DOMAIN, Installation, root, until } from './topology/installation.mjs'

const hasEngine = spawnSync('docker', ['version']).status === 0
assert.ok(hasEngine || !process.env.CI, 'no container engine answers')

let installation
let key
let org
let project

before(async () => {
  installation = new Installation({ hasEngine })
  if (hasEngine) execFileSync(`${root}/tests/image/build.sh`)
  await installation.start()
})

after(async () => {
  await installation?.remove()
  // Containers outlive gateways, and would outlive the test.
  if (org && hasEngine) removeAll(org)
})

test('an installation is set up by what its files and its own API say', async (t) => {
  explain(t)
  const { network, url, plain } = installation
  assert.match(installation.zone, new RegExp(`zone ${DOMAIN.replace('.', '\\.')} made`))
  // nginx sends people who come without TLS to the same host with it.
  const { status, headers } = await network.ask('GET', `${plain}/sign-up?from=outside`)
  assert.deepEqual([status, headers.location], [308, `${url}/sign-up?from=outside`])

  const account = { email: 'ada@example.org', password: 'correct horse battery', name: 'Ada' }
  const { user } = await network.api('POST', `${url}/api/auth/signup`, account)
  assert.equal(user.email, account.email)
  key = (await network.api('POST', `${url}/api/api-keys`, { name: 'setting up' })).key

  const pool = await installation.addGateways(3, key)
  assert.equal(new Set(pool.map(({ listen }) => listen)).size, 3, 'each in a process of its own')
  const health = await network.api('GET', `${url}/api/health`)
  assert.equal(health.status, 'ok', JSON.stringify(health))
})

test('people type and run a container through nginx, while gateways are drained and killed', async (t) => {
  explain(t)
  const { network, url } = installation
  org = (await network.api('POST', `${url}/api/orgs`, { name: 'Analytical Engines' }, key)).org.id
  project = (await network.api('POST', `${url}/api/orgs/${org}/projects`, { name: 'Bernoulli' }, key)).project.id
  const host = `org-${org}.${DOMAIN}`
  installation.certify(host)
  const { gateway } = await network.api('POST', `${url}/projects/${project}/start`, {}, key)
  assert.equal(new URL(gateway.gateway_url).hostname, host)
  await until('its name is known', () => network.resolver.resolve4(host).catch(() => false))
  await until(
    'nginx leads there',
    async () => (await network.ask('GET', `${gateway.gateway_url}/collab/ping`).catch(() => ({}))).status === 200,
  )

  const { access_token: token } = await network.api('POST', `${url}/api/auth/token`, {}, key)
  const clients = ['ada', 'charles'].map((name) => connect(name, gateway.ws_url, token))
  const container = hasEngine && (await runContainer(gateway, token))
  try {
    await all('synced', clients, ({ provider }) => provider.synced)
    clients.forEach((client) => client.typeOn())
    await all('typing', clients, ({ typed }) => typed > 20)

    const drained = await installation.drain(org, key)
    const moved = await installation.slotOf(org, key)
    assert.notEqual(moved.listen, drained.listen, 'it is served by another process')
    await typesOn(clients)
    if (container) await container.answers()

    // The process that serves it now ends as processes end that nobody asked.
    const killed = installation.processes.find((process) => process.url === `http://${moved.listen}`)
    killed.child.kill('SIGKILL')
    await until('it is served elsewhere', async () => {
      const now = await installation.slotOf(org, key).catch(() => undefined)
      return now?.state === 'allocated' && now.listen !== moved.listen
    })
    await typesOn(clients)
    if (container) await container.answers()

    clients.forEach((client) => client.stop())
    await nothingIsLost(clients, connect('reader', gateway.ws_url, token))
  } finally {
    clients.forEach((client) => client.leave())
  }
})

test('what is told to end ends well, and nginx with it', async (t) => {
  explain(t)
  const { network, url } = installation
  const ends = await installation.stop()
  assert.deepEqual(ends, [
    ['gateway', 0],
    ['gateway', 0],
    ['ganymede', 0],
  ])
  await assert.rejects(network.ask('GET', `${url}/api/health`), { code: 'ECONNREFUSED' })
})

/** A stock client that may type, and what was confirmed to it. */
function connect(name, wsUrl, token) {
  const doc = new Y.Doc()
  const confirmations = new Confirmations(doc.clientID)
  class Tapped extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, installation.network.options())
      this.on('message', (data) => confirmations.hear(new Uint8Array(data)))
      confirmations.restart()
    }

    send(data) {
      confirmations.say(new Uint8Array(data))
      super.send(data)
    }
  }
  const options = { WebSocketPolyfill: Tapped, params: { token }, disableBc: true }
  const provider = new WebsocketProvider(`${wsUrl}/${project}`, 'doc:story', doc, options)
  // The answer to a question; heard above.
  provider.messageHandlers[102] = () => {}
  const client = { name, doc, provider, confirmations, typed: 0 }
  const log = doc.getArray('log')
  client.typeOn = () => (client.typing = setInterval(() => log.push([`${name}:${++client.typed}`]), 20))
  client.stop = () => clearInterval(client.typing)
  client.leave = () => {
    client.stop()
    provider.destroy()
    // Ends its awareness, whose clock would keep the process.
    doc.destroy()
  }
  return client
}

/** Both are connected, and see what the other one types from now on. */
async function typesOn(clients) {
  await all('synced again', clients, ({ provider }) => provider.synced)
  const marks = clients.map(({ name, typed }) => `${name}:${typed + 10}`)
  await all('up to date', clients, ({ doc }) => {
    const log = doc.getArray('log').toJSON()
    return marks.every((mark) => log.includes(mark))
  })
}

/** Whoever comes now has everything that was typed and confirmed, once, in one order. */
async function nothingIsLost(clients, reader) {
  const everybody = [...clients, reader]
  try {
    const total = clients.reduce((sum, { typed }) => sum + typed, 0)
    await all('complete', everybody, ({ doc }) => doc.getArray('log').length === total)
    for (const { provider, confirmations } of clients) provider.ws.send(confirmations.question())
    await all('told that all is saved', clients, ({ confirmations }) => confirmations.echoes > 0)
    const [first, ...others] = everybody.map(({ doc }) => doc.getArray('log').toJSON())
    for (const other of others) assert.deepEqual(other, first)
    assert.equal(new Set(first).size, total)
    for (const { confirmations } of clients) {
      assert.deepEqual(Confirmations.missing(reader.doc, confirmations.report()), [])
    }
  } finally {
    reader.leave()
  }
}

/** Runs a container by command, and reaches it at its URL as programs, browsers and strangers do. */
async function runContainer(gateway, token) {
  const { network } = installation
  const bearer = { authorization: `Bearer ${token}` }
  const event = { type: 'user-containers:new', name: 'Engine', image: 'test:web' }
  const posted = { project_id: project, event }
  const { result } = await network.api('POST', `${gateway.gateway_url}/collab/event`, posted, token)
  const page = async () => (await network.ask('GET', result.url, { headers: bearer })).text === 'the container\n'
  const answers = () => until('its URL answers', () => page().catch(() => false))
  await answers()
  const known = await network.visit(result.url)
  assert.equal(known.text, 'the container\n', 'who is signed in gets in without a word')
  assert.equal(new URL(known.url).host, new URL(result.url).host)
  const cookies = network.cookies
  network.cookies = new Map()
  assert.equal((await network.ask('GET', result.url)).status, 401)
  assert.match((await network.visit(result.url)).url, /\/sign-in\?return=/)
  network.cookies = cookies
  return { answers }
}

const all = (what, clients, holds) =>
  Promise.all(clients.map((client) => until(`${client.name} is ${what}`, () => holds(client))))

/** Says what the processes said if the test fails. */
function explain(t) {
  t.after(() => t.passed || console.error(installation.logs()))
}
