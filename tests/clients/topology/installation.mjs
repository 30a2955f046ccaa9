// An installation of separate processes, as docs/deploy.md has it: PostgreSQL, PowerDNS, nginx, the control plane and gateways,
// with the configuration files of deploy/. What differs on this machine is in the environment, which wins over files.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Network } from './network.mjs'

export const root = resolve(import.meta.dirname, '../../..')
const binary = process.env.ORRERY_BIN ?? join(root, 'target/release/orrery')
export const DOMAIN = 'team.example'
const PATIENCE_MS = 60_000
const LOOK_EVERY_MS = 20

/** An image whose program is a web page, built for tests. */
const MODULE = `id = "test:web"
name = "Test program"
uri = "orrery-test/program"
tag = "1"
category = "other"
ports = [8080]
services = [{ name = "web", port = 8080 }]
options = { command = ["serve", "8080"] }
`

export class Installation {
  processes = []

  /** Gateways run containers where an engine answers. */
  constructor({ hasEngine = false } = {}) {
    this.hasEngine = hasEngine
    this.folder = mkdtempSync(join(tmpdir(), 'orrery-topology.'))
    // Its servers run as several accounts.
    chmodSync(this.folder, 0o755)
  }

  /** Brings up everything but gateways, which need tokens of the control plane. */
  async start() {
    const database = script('postgres.sh', 'start', this.place('postgres')).trim()
    const [api, key, dns] = script('pdns.sh', 'start', this.place('pdns')).trim().split(' ')
    this.network = new Network(dns, () => this.certificates())
    this.certify(DOMAIN)
    const [plain, tls] = await freePorts(2)
    this.url = `https://${DOMAIN}:${tls}`
    this.environment = { HOME: this.folder, PATH: `${process.env.PATH}:/usr/sbin`, ORRERY_PUBLIC_URL: this.url }
    const environment = {
      ORRERY_DATA: join(this.folder, 'data'),
      ORRERY_DATABASE: database,
      ORRERY_DNS_URL: api,
      ORRERY_DNS_API_TOKEN: key,
      ORRERY_DNS_ADDRESS: '127.0.0.1',
      ORRERY_NGINX_LISTEN: `127.0.0.1:${plain}`,
      ORRERY_NGINX_LISTEN_TLS: `127.0.0.1:${tls}`,
      ORRERY_NGINX_CERTIFICATES: join(this.folder, 'tls'),
      ORRERY_NGINX_FOLDER: this.place('nginx'),
      ORRERY_PASSWORDS_MEMORY_KIB: '64',
      ORRERY_LIMITS_RATES_ADDRESS_PER_MINUTE: '1000000',
      ORRERY_LIMITS_RATES_USER_PER_MINUTE: '1000000',
      ORRERY_LIMITS_RATES_KEY_PER_MINUTE: '1000000',
      // A gateway that is killed is given up soon.
      ORRERY_POOL_LEASE_MS: '4000',
    }
    this.plain = `http://${DOMAIN}:${plain}`
    const env = { ...this.environment, ...environment }
    const config = ['--config', join(root, 'deploy/ganymede.toml')]
    execFileSync(binary, ['keys', 'create', ...config], { env })
    this.zone = execFileSync(binary, ['dns', 'setup', ...config], { env, encoding: 'utf8' })
    this.launchGanymede = async () => (this.ganymede = await this.launch('ganymede', environment))
    await this.launchGanymede()
    await until('nginx answers', () => this.network.ask('GET', `${this.url}/collab/ping`).catch(() => false))
  }

  /** Kills the control plane, and starts it again once something has happened without it. nginx lives on. */
  async withoutGanymede(happens) {
    const ended = once(this.ganymede.child, 'exit')
    this.ganymede.child.kill('SIGKILL')
    await ended
    try {
      await happens()
    } finally {
      await this.launchGanymede()
    }
  }

  /** Adds gateway processes as an administrator does, once each has a slot that is ready. Those slots. */
  async addGateways(count, key) {
    for (let number = 0; number < count; number++) {
      const { token } = await this.network.api('POST', `${this.url}/api/pool/gateways`, {}, key)
      await this.gateway(token)
    }
    return await until(`${count} slots are ready`, async () => {
      const ready = (await this.slots(key)).filter(({ state }) => state === 'ready')
      return ready.length === count && ready
    })
  }

  async slots(key) {
    return (await this.network.api('GET', `${this.url}/api/pool`, undefined, key)).slots
  }

  /** The slot that serves an organization. */
  async slotOf(org, key) {
    const slots = await this.slots(key)
    return slots.find((slot) => slot.org === org) ?? assert.fail(`no slot serves it: ${JSON.stringify(slots)}`)
  }

  /** Moves an organization to another slot. Where it was. */
  async drain(org, key) {
    const drained = await this.slotOf(org, key)
    await this.network.api('POST', `${this.url}/api/pool/slots/${drained.slot}/drain`, {}, key)
    return drained
  }

  /** A gateway process with a token that the control plane gave. */
  async gateway(token) {
    const environment = {
      ORRERY_GATEWAY_GANYMEDE_URL: this.ganymede.url,
      ORRERY_GATEWAY_TOKEN: token,
      ORRERY_SLOTS: '1',
      ORRERY_LEASE_RENEW_MS: '1000',
      ORRERY_DATA: join(this.folder, 'gateway'),
      ORRERY_ENGINE_ENABLED: this.hasEngine ? 'on' : 'off',
      ORRERY_CONTAINERS_IMAGES: this.images(),
    }
    return await this.launch('gateway', environment)
  }

  /** Runs a role of the binary with its file of deploy/, once it says where it serves. */
  async launch(role, environment) {
    const flags = [role, '--config', join(root, `deploy/${role}.toml`), '--listen', '127.0.0.1:0']
    const env = { ...this.environment, ...environment }
    const child = spawn(binary, flags, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const running = { child, role, log: '' }
    this.processes.push(running)
    child.stderr.setEncoding('utf8').on('data', (text) => (running.log += text))
    running.url = await new Promise((serves, failed) => {
      child.once('exit', () => failed(new Error(`${role} ended before it served:\n${running.log}`)))
      createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('http') && serves(line.trim()))
    })
    return running
  }

  /** Makes a certificate for a host and what is below it, where nginx looks for it. */
  certify(host) {
    const folder = this.place('tls', host)
    const files = ['-keyout', join(folder, 'privkey.pem'), '-out', join(folder, 'fullchain.pem')]
    const names = ['-subj', '/CN=Orrery', '-addext', `subjectAltName=DNS:${host},DNS:*.${host}`]
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', ...kind, ...files, ...names], { stdio: 'ignore' })
  }

  certificates() {
    const folder = join(this.folder, 'tls')
    return readdirSync(folder).map((host) => readFileSync(join(folder, host, 'fullchain.pem'), 'utf8'))
  }

  images() {
    const folder = this.place('images', 'web')
    writeFileSync(join(folder, 'image.toml'), MODULE)
    return join(this.folder, 'images')
  }

  place(...names) {
    const folder = join(this.folder, ...names)
    mkdirSync(folder, { recursive: true })
    return folder
  }

  /** SIGTERM to whatever still runs, the last first. How each ended. */
  async stop() {
    const ends = []
    for (const { child, role } of this.processes.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const [code] = await ended
      ends.push([role, code])
    }
    return ends
  }

  /** Takes everything away. */
  async remove() {
    await this.stop()
    for (const [name, place] of [
      ['pdns.sh', 'pdns'],
      ['postgres.sh', 'postgres'],
    ])
      script(name, 'stop', this.place(place))
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** What each process said last, for whoever looks into a failure. */
  logs() {
    return this.processes.map(({ role, log }) => `--- ${role}\n${log.slice(-4_000)}`).join('\n')
  }
}

/** Waits until something holds, and says what it was. */
export async function until(what, holds) {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const held = await holds()
    if (held) return held
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

function script(name, ...args) {
  return execFileSync(join(root, 'scripts', name), args, { encoding: 'utf8' })
}

/** Ports of this machine that nobody has, for as long as nobody takes them. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  for (const server of servers) server.close()
  return ports
}
