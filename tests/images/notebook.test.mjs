// A notebook as a team uses it: made on the board, entered through the gate by its stable URL, and worked in while the
// organization moves to another gateway. `scripts/images.sh` builds its image.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browser, orrery, person, photograph } from '../browser/support.mjs'
import { removeAll } from '../image/remove.mjs'
import { addNote, note, says, somebody, typesThroughAMove } from '../browser/team.mjs'

const MODULE = 'jupyter-minimal'
const skip = !(process.env.ORRERY_MODULES ?? MODULE).split(' ').includes(MODULE) && 'other modules are tried'
/** How long a notebook may take until it answers, in milliseconds. */
const PATIENCE = 240_000

let installation, chromium, org

before(async () => {
  if (skip) return
  installation = await orrery({ environment: { ORRERY_ENGINE_ENABLED: 'on' } })
  chromium = await browser()
})

after(async () => {
  await chromium?.close()
  await installation?.stop()
  if (org !== undefined) removeAll(org.id)
})

test('two people work in a notebook while their gateway is exchanged', { skip }, async () => {
  const admin = await person(chromium, installation.url, 'Grace Hopper')
  const ada = await somebody(chromium, installation.url, 'Ada Lovelace')
  const charles = await somebody(chromium, installation.url, 'Charles Babbage')
  ;({ org } = await ada.api('POST', '/api/orgs', { name: 'Analytical Engines' }))
  const { project } = await ada.api('POST', `/api/orgs/${org.id}/projects`, { name: 'Bernoulli numbers' })
  await ada.api('POST', `/api/orgs/${org.id}/members`, { email: charles.email, role: 'member' })
  for (const { page } of [ada, charles]) {
    await page.goto(`/projects/${project.id}/board`)
    await page.getByRole('heading', { name: 'An empty board' }).waitFor()
  }

  await ada.page.getByRole('button', { name: 'New container' }).click()
  await ada.page.getByLabel('Search the catalogue').fill('jupyter')
  await ada.page.getByRole('button', { name: /^JupyterLab/ }).click()
  await ada.page.getByLabel('Name', { exact: true }).fill('Research')
  await ada.page.getByRole('button', { name: 'Create container' }).click()
  for (const { page } of [ada, charles])
    await page.locator('[data-container][data-phase=running]').waitFor({ timeout: PATIENCE })
  await photograph(charles.page, 'notebook-card')

  const link = charles.page.locator('[data-container]').getByRole('link', { name: /^Open/ })
  const url = await link.getAttribute('href')
  const [lab] = await Promise.all([charles.context.waitForEvent('page'), link.click()])
  await lab.locator('.jp-LauncherCard', { hasText: 'Python 3' }).first().click({ timeout: PATIENCE })
  const cell = (at) => lab.locator('.jp-Notebook .jp-CodeCell').nth(at)
  const computes = async (at, code, answer) => {
    await cell(at).locator('.cm-content').click()
    await lab.keyboard.type(code)
    await lab.keyboard.press('Shift+Enter')
    await cell(at).locator('.jp-OutputArea-output', { hasText: answer }).waitFor({ timeout: PATIENCE })
  }
  await computes(0, 'answer = 6 * 7; answer', '42')

  // Ada writes, and Charles goes on in the same kernel, while their organization goes elsewhere.
  await addNote(ada.page, 'typed: ')
  await says(ada.page, 'saved')
  const typed = await typesThroughAMove(admin, ada, org, 60, () => computes(1, 'answer + 1', '43'))
  await note(charles.page).getByText(typed).waitFor()
  await says(ada.page, 'saved')
  assert.equal(await link.getAttribute('href'), url, 'its address is what it was')
  assert.equal(new URL(lab.url()).host, new URL(url).host)
  await lab.screenshot({ path: new URL('../../target/screenshots/notebook-lab.png', import.meta.url).pathname })
  await photograph(ada.page, 'notebook-board')
  ada.quiet()
  charles.quiet()
})
