// The images that Orrery brings along, each as a member uses it: made by a command, waited for, visited through the sign-in
// gate, restarted, and deleted. They have to be in the engine: `scripts/images.sh` builds them.
//
//   ORRERY_MODULES   the modules to try, by their folders; all if unset
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { removeAll } from '../image/remove.mjs'
import { Browser, docker, orrery, until } from './support.mjs'
import { VISITS } from './visits.mjs'

const modules = process.env.ORRERY_MODULES?.split(' ').filter(Boolean) ?? Object.keys(VISITS)
/** How long one may take until it answers, in seconds. */
const PATIENCE = 240

const person = new Browser()
let installation, home, api, org, project, token

before(async () => {
  installation = await orrery()
  home = `http://localhost:${installation.port}`
  api = async (method, path, body, headers = { origin: home }) => {
    const { status, text } = await person.ask(home + path, { method, body, headers })
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  await api('POST', '/api/auth/signup', { email: 'a@example.org', password: 'correct horse battery', name: 'Åsa <A>' })
  org = (await api('POST', '/api/orgs', { name: 'Images' })).org.id
  project = (await api('POST', `/api/orgs/${org}/projects`, { name: 'Images' })).project.id
  await api('POST', `/projects/${project}/start`, {})
})

after(async () => {
  await installation?.stop()
  if (org) removeAll(org)
})

/** What the engine has of a container, or of all. */
function objects(label = `orrery.org=${org}`) {
  const found = docker('ps', '--all', '--quiet', '--filter', `label=${label}`)
  return found.split('\n').filter(Boolean)
}

const bearer = () => ({ authorization: `Bearer ${token}` })
const gateway = (path) => `/-/gw/org-${org}/collab/${path}`
const give = async (event) => (await api('POST', gateway('event'), { project_id: project, event }, bearer())).result

async function listed(id) {
  const { containers } = await api('GET', gateway(`${project}/containers`), undefined, bearer())
  return containers.find((container) => container.id === id)
}

async function running(id) {
  const container = await until('it runs', PATIENCE, async () => {
    const it = await listed(id)
    return ['running', 'failed'].includes(it.status.phase) && it
  })
  const printed = () => objects(`orrery.container=${id}`).map((object) => docker('logs', '--tail', '40', object))
  assert.equal(container.status.phase, 'running', `${JSON.stringify(container.status)}\n${printed()}`)
  return container
}

/** The page that somebody finds at a container's URL, once it is there. */
async function found(url, shows) {
  const page = await until('its page is there', PATIENCE, async () => {
    const answer = await person.visit(url)
    return answer.status !== 503 && answer
  })
  assert.equal(page.status, 200, page.text.slice(0, 500))
  assert.equal(new URL(page.url).host, new URL(url).host, 'the visitor is where they wanted to be')
  assert.match(page.text, shows)
}

function definition(module) {
  const text = readFileSync(new URL(`../../images/${module}/image.toml`, import.meta.url), 'utf8')
  const field = (name) => text.match(new RegExp(`^${name} = "(.*)"$`, 'm'))[1]
  return { id: field('id'), reference: `${field('uri')}:${field('tag')}` }
}

for (const module of modules) {
  test(`${module} is made, visited, restarted and deleted`, async (t) => {
    const { shows, use, again } = VISITS[module]
    const { id: image, reference } = definition(module)
    token = (await api('POST', '/api/auth/token', {})).access_token
    const begun = Date.now()
    const { user_container_id: id, url } = await give({ type: 'user-containers:new', name: module, image })
    await running(id)
    const seconds = (Date.now() - begun) / 1000

    await found(url, shows)
    await use?.(person, url)
    await give({ type: 'user-container:restart', user_container_id: id })
    await running(id)
    await found(url, shows)
    await again?.(person, url)

    const stranger = new Browser()
    assert.equal((await stranger.ask(url)).status, 401, 'nobody else gets in')

    const label = `orrery.container=${id}`
    const [object] = objects(label)
    const { Config, HostConfig } = JSON.parse(docker('inspect', object))[0]
    assert.notEqual(docker('exec', object, 'id', '-u'), '0', 'it is no administrator inside')
    assert.deepEqual(HostConfig.CapDrop, ['ALL'])
    assert.ok(HostConfig.Memory > 0 && HostConfig.SecurityOpt.includes('no-new-privileges:true'), Config.Image)
    const megabytes = Math.round(Number(docker('image', 'inspect', '--format', '{{.Size}}', reference)) / 1e6)
    const used = docker('stats', '--no-stream', '--format', '{{.MemUsage}}', object)
    t.diagnostic(`${reference}: ${megabytes} MB, runs and answers after ${seconds.toFixed(1)} s, uses ${used}`)

    await give({ type: 'user-containers:delete', user_container_id: id })
    await until('nothing of it is left', 60, async () => objects(label).length === 0 && !(await listed(id)))
    assert.equal((await person.ask(url)).status, 404)
  })
}
