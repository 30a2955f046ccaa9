// User containers on the board: made from the catalogue, seen by everybody, reached by their URL, stopped and deleted.
// The engine is the one of this machine, the image one that is built for the tests of the system.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { accessible, browser, orrery, person, photograph } from './support.mjs'

const IMAGE = 'Test program'
const MODULE = `id = "test:web"
name = "${IMAGE}"
uri = "orrery-test/program"
tag = "1"
category = "other"
ports = [8080]
services = [{ name = "web", port = 8080 }]
options = { command = ["serve", "8080"] }
`

const answers = spawnSync('docker', ['version']).status === 0
assert.ok(answers || !process.env.CI, 'no container engine answers')
const skip = !answers && 'no container engine answers; make test installs and starts one'

let installation, chromium
const organizations = []
const modules = mkdtempSync(join(tmpdir(), 'orrery-modules-'))

before(async () => {
  if (skip) return
  execFileSync(new URL('../image/build.sh', import.meta.url).pathname)
  mkdirSync(join(modules, 'web'))
  writeFileSync(join(modules, 'web/image.toml'), MODULE)
  // What was deleted is shown as such for a minute; nobody waits for that here.
  const environment = {
    ORRERY_ENGINE_ENABLED: 'on',
    ORRERY_CONTAINERS_IMAGES: modules,
    ORRERY_CONTAINERS_CLOCKS_DELETED_KEPT_MS: '500',
  }
  installation = await orrery({ environment })
  chromium = await browser()
})

after(async () => {
  await chromium?.close()
  await installation?.stop()
  rmSync(modules, { recursive: true })
  for (const org of organizations) {
    const label = `label=orrery.org=${org}`
    for (const [list, remove] of [
      [
        ['ps', '--all', '--quiet'],
        ['rm', '--force'],
      ],
      [
        ['network', 'ls', '--quiet'],
        ['network', 'rm'],
      ],
    ]) {
      const found = execFileSync('docker', [...list, '--filter', label], { encoding: 'utf8' })
      for (const id of found.split('\n').filter(Boolean)) execFileSync('docker', [...remove, id])
    }
  }
})

const card = (page, name) => page.locator('[data-container]', { hasText: name })
const phase = (page, name, phase) =>
  card(page, name)
    .and(page.locator(`[data-phase=${phase}]`))
    .waitFor()

/** Chooses an image and fills in the rest. */
async function create(page, name) {
  await page.getByRole('button', { name: 'New container' }).click()
  await page.getByLabel('Search the catalogue').fill(IMAGE)
  await page.getByRole('button', { name: new RegExp(`^${IMAGE}`) }).click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Create container' }).click()
}

/** Chooses from the menu of a card. */
async function choose(page, name, action) {
  await card(page, name)
    .getByRole('button', { name: `Actions of ${name}` })
    .click()
  await page.getByRole('menuitem', { name: action }).click()
}

test('a container is made, runs on both screens, is reached, stopped and deleted', { skip }, async () => {
  const ada = await person(chromium, installation.url, 'Ada Lovelace')
  const charles = await person(chromium, installation.url, 'Charles Babbage')
  const { org } = await ada.api('POST', '/api/orgs', { name: 'Analytical Engines' })
  organizations.push(org.id)
  const { project } = await ada.api('POST', `/api/orgs/${org.id}/projects`, { name: 'Bernoulli numbers' })
  await ada.api('POST', `/api/orgs/${org.id}/members`, { email: charles.email, role: 'member' })
  for (const { page } of [ada, charles]) {
    await page.goto(`/projects/${project.id}/board`)
    await page.getByRole('heading', { name: 'An empty board' }).waitFor()
  }

  await create(ada.page, 'Research')
  for (const { page } of [ada, charles]) await phase(page, 'Research', 'running')
  await accessible(ada.page)
  await photograph(ada.page, 'board-container')

  // Charles is signed in here, and the gate lets him in without a word.
  const link = card(charles.page, 'Research').getByRole('link', { name: /^Open/ })
  await link.waitFor()
  const [service] = await Promise.all([charles.context.waitForEvent('page'), link.click()])
  await service.waitForLoadState()
  const url = new URL(await link.getAttribute('href'))
  assert.equal(new URL(service.url()).host, url.host, service.url())
  assert.doesNotMatch(await service.locator('body').innerText(), /sign in/i)
  await service.close()

  // Somebody else has no account here.
  const stranger = await chromium.newContext()
  const page = await stranger.newPage()
  await page.goto(url.href)
  await page.waitForURL(/\/sign-in\?return=/)
  await stranger.close()

  await choose(charles.page, 'Research', 'Stop')
  for (const { page } of [ada, charles]) await phase(page, 'Research', 'stopped')
  await choose(ada.page, 'Research', 'Start')
  for (const { page } of [ada, charles]) await phase(page, 'Research', 'running')
  assert.equal(await link.getAttribute('href'), url.href)

  // The card goes, the container stays, and is found in the list.
  await choose(ada.page, 'Research', 'Remove the card')
  await ada.page.getByRole('dialog').getByText('stays as it is').waitFor()
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await card(charles.page, 'Research').waitFor({ state: 'detached' })
  await charles.page.getByRole('button', { name: 'Containers', exact: true }).click()
  await charles.page.getByRole('button', { name: 'Put Research on the board' }).click()
  await phase(ada.page, 'Research', 'running')

  await choose(ada.page, 'Research', 'Delete container')
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Delete container' }).click()
  for (const { page } of [ada, charles]) {
    await page.locator('.react-flow__node', { hasText: 'This container was deleted.' }).waitFor()
  }
  ada.quiet()
  charles.quiet()
})

test('what is wrong with a new container stands beside its field', { skip }, async () => {
  const { api, page } = await person(chromium, installation.url, 'Mary Somerville')
  const { org } = await api('POST', '/api/orgs', { name: 'Connexion' })
  const { project } = await api('POST', `/api/orgs/${org.id}/projects`, { name: 'Physical sciences' })
  await page.goto(`/projects/${project.id}/board`)
  await page.getByRole('button', { name: 'New container' }).click()
  await page.getByRole('button', { name: /^Any image/ }).click()
  await page.getByLabel('Memory (MiB)').fill('1')
  await page.getByRole('button', { name: 'Create container' }).click()
  await page.getByLabel('Image', { exact: true }).and(page.locator('[aria-invalid=true]')).waitFor()
  await page.getByLabel('Image', { exact: true }).fill('orrery/test:latest')
  await page.getByRole('button', { name: 'Create container' }).click()
  await page.getByLabel('Memory (MiB)').and(page.locator('[aria-invalid=true]')).waitFor()
})
