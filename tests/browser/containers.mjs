// What stories of user containers share: a catalogue of small programs, and what one does with cards. The engine is the one of
// this machine, the image one that is built for the tests of the system.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeAll } from '../image/remove.mjs'
import { stories } from './support.mjs'

export const IMAGE = 'Test program'
export const LINES = 12_000
const module = (id, name, command, more = '') => `id = "test:${id}"
name = "${name}"
uri = "orrery-test/program"
tag = "1"
category = "other"
options = { command = ${JSON.stringify(command)} }
${more}`
const WEB = 'ports = [8080]\nservices = [{ name = "web", port = 8080 }]\n'
const MODULES = {
  web: module('web', IMAGE, ['serve', '8080'], WEB),
  slow: module('slow', 'Slow program', ['deaf'], WEB),
  exit: module('exit', 'Short program', ['exit', '3', '0']),
  chatty: module('chatty', 'Chatty program', [
    'sh',
    '-c',
    `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i of many"; done; exec sleep 1000000`,
  ]),
}

const answers = spawnSync('docker', ['version']).status === 0
assert.ok(answers || !process.env.CI, 'no container engine answers')
export const skip = !answers && 'no container engine answers; make test installs and starts one'

/** Where stories of containers happen; nothing of them stays on the engine. */
export function containerStories() {
  if (skip) return undefined
  const organizations = []
  const modules = mkdtempSync(join(tmpdir(), 'orrery-modules-'))
  execFileSync(new URL('../image/build.sh', import.meta.url).pathname)
  for (const [name, text] of Object.entries(MODULES)) {
    mkdirSync(join(modules, name))
    writeFileSync(join(modules, name, 'image.toml'), text)
  }
  const environment = {
    ORRERY_ENGINE_ENABLED: 'on',
    ORRERY_CONTAINERS_IMAGES: modules,
    // What fails is given up soon.
    ORRERY_CONTAINERS_CLOCKS_RESTART_MS: '50',
  }
  const end = () => {
    rmSync(modules, { recursive: true })
    organizations.forEach(removeAll)
  }
  const here = stories({ slots: 6, environment }, { end })

  /** Somebody at the empty board of a project of their own. */
  const atBoard = async (name, organization, title) => {
    const somebody = await here.person(name)
    const { org } = await somebody.api('POST', '/api/orgs', { name: organization })
    organizations.push(org.id)
    const { project } = await somebody.api('POST', `/api/orgs/${org.id}/projects`, { name: title })
    await somebody.page.goto(`/projects/${project.id}/board`)
    await somebody.page.getByRole('heading', { name: 'An empty board' }).waitFor()
    return { ...somebody, org, project }
  }
  return Object.assign(here, { atBoard })
}

export const card = (page, name) => page.locator('[data-container]', { hasText: name })

/** What fails is started several times before, and a busy engine takes seconds for each. */
const PATIENCE_MS = 120_000

/** Waits until the card of a container shows it in this phase. */
export const phase = (page, name, phase) =>
  card(page, name)
    .and(page.locator(`[data-phase=${phase}]`))
    .waitFor({ timeout: PATIENCE_MS })

/** Chooses an image and fills in the rest. */
export async function create(page, name, image = IMAGE) {
  await page.getByRole('button', { name: 'New container' }).click()
  await page.getByLabel('Search the catalogue').fill(image)
  await page.getByRole('button', { name: new RegExp(`^${image}`) }).click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Create container' }).click()
}

/** Chooses from the menu of a card. */
export async function choose(page, name, action) {
  await card(page, name)
    .getByRole('button', { name: `Actions of ${name}` })
    .click()
  await page.getByRole('menuitem', { name: action }).click()
}
