// User containers on the board: made from the catalogue, seen by everybody, reached by their URL, stopped and deleted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IMAGE, LINES, card, choose, containerStories, create, phase, skip } from './containers.mjs'
import { accessible, photograph } from './support.mjs'
import { tells } from './team.mjs'

const here = containerStories()

test('a container is made, runs on both screens, is reached, stopped and deleted', { skip }, async () => {
  const ada = await here.atBoard('Ada Lovelace', 'Analytical Engines', 'Bernoulli numbers')
  const charles = await here.person('Charles Babbage')
  await ada.api('POST', `/api/orgs/${ada.org.id}/members`, { email: charles.email, role: 'member' })
  await charles.page.goto(`/projects/${ada.project.id}/board`)
  await charles.page.getByRole('heading', { name: 'An empty board' }).waitFor()

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
  const stranger = await here.chromium.newContext()
  const page = await stranger.newPage()
  await page.goto(url.href)
  await page.waitForURL(/\/sign-in\?return=/)
  await stranger.close()

  await ada.context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await card(ada.page, 'Research').getByRole('button', { name: 'Copy the URL of Research' }).click()
  await card(ada.page, 'Research').getByRole('button', { name: 'Copied' }).waitFor()
  assert.equal(await ada.page.evaluate(() => navigator.clipboard.readText()), url.href)

  // A command shows at once, and is taken back when it is refused.
  const refusal = { error: { code: 'CONFLICT', message: 'it is needed', request_id: 'story' } }
  const asked = new Promise((resolve) => ada.page.route('**/collab/event', resolve, { times: 1 }))
  await choose(ada.page, 'Research', 'Stop')
  const command = await asked
  await phase(ada.page, 'Research', 'stopping')
  await command.fulfill({ status: 409, json: refusal })
  await phase(ada.page, 'Research', 'running')
  await ada.page.getByText('Research was not stopped: it is needed').waitFor()
  await ada.page.getByRole('button', { name: 'Close notification' }).click()

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

test('a long log stays usable, and keys open and leave the drawer', { skip }, async () => {
  const { page, quiet } = await here.atBoard('Katherine Johnson', 'Trajectories', 'Orbits')
  await create(page, 'Chatty', 'Chatty program')
  await phase(page, 'Chatty', 'running')
  await tells(page, 'Chatty: Running')
  await page.getByRole('complementary').focus()
  await page.keyboard.press('Escape')
  await page.getByRole('complementary').waitFor({ state: 'detached' })

  // Selected by one Enter, opened by the next.
  await page.getByRole('group', { name: 'Container: Chatty' }).focus()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  const drawer = page.getByRole('complementary', { name: 'Chatty' })
  await drawer.getByRole('tab', { name: 'Overview' }).focus()
  await accessible(page)
  await page.keyboard.press('ArrowRight')
  await drawer.getByText('processes').waitFor()
  await accessible(page)
  await photograph(page, 'drawer-figures')
  await drawer.getByRole('tab', { name: 'Figures' }).focus()
  await page.keyboard.press('ArrowRight')

  // The last lines are kept, and of them those are drawn that are seen.
  await drawer.getByText('10000 lines, following').waitFor()
  const line = (number) => drawer.getByText(`line ${number} of many`, { exact: true })
  await line(LINES).waitFor()
  const drawn = () => page.locator('[data-line]').count()
  assert.ok((await drawn()) < 150, `${await drawn()} lines are drawn`)
  await drawer.getByRole('log').focus()
  await page.keyboard.press('Control+Home')
  await line(LINES - 10_000 + 1).waitFor()
  assert.ok((await drawn()) < 150, `${await drawn()} lines are drawn`)
  await drawer.getByRole('button', { name: 'To the end' }).click()
  await line(LINES).waitFor()
  await photograph(page, 'drawer-logs')
  await accessible(page)
  await drawer.getByLabel('Filter the log').fill(`line ${LINES - 1} of`)
  await drawer.getByText('1 of 10000 lines').waitFor()
  await line(LINES - 1).waitFor()
  assert.equal(await drawn(), 1)
  quiet()
})

test('a board shows every state that a container can be in', { skip }, async () => {
  const { page, quiet } = await here.atBoard('Annie Jump Cannon', 'Harvard Computers', 'Spectra')
  await page.getByRole('button', { name: 'New container' }).click()
  await page.getByLabel('Search the catalogue').waitFor()
  await accessible(page)
  await photograph(page, 'container-catalogue')
  await page.getByRole('complementary').getByRole('button', { name: 'Close' }).click()
  for (const [name, image, expected] of [
    ['Plates', IMAGE, 'running'],
    ['Index', IMAGE, 'running'],
    ['Calculation', 'Short program', 'failed'],
    ['Telescope', 'Slow program', 'starting'],
    ['Gone', IMAGE, 'running'],
  ]) {
    await create(page, name, image)
    await phase(page, name, expected)
  }
  await page.getByRole('complementary').getByRole('button', { name: 'Close' }).click()
  await page.getByRole('button', { name: 'Show everything' }).click()
  await choose(page, 'Index', 'Stop')
  await phase(page, 'Index', 'stopped')
  await choose(page, 'Gone', 'Delete container')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete container' }).click()
  // The gateway shows what was deleted for a minute; people see at once that it is gone.
  await page.locator('.react-flow__node', { hasText: 'This container was deleted.' }).waitFor()
  await tells(page, 'Gone: Deleted')
  await page.getByRole('button', { name: 'Containers', exact: true }).click()
  await page.getByRole('button', { name: 'Show everything' }).click()
  const listed = page.getByRole('region', { name: 'Containers' }).getByRole('listitem')
  await listed.nth(3).waitFor()
  assert.equal(await listed.count(), 4)
  await accessible(page)
  await photograph(page, 'board-states')
  await card(page, 'Calculation').getByRole('button', { name: 'Calculation', exact: true }).click()
  await page.getByRole('complementary', { name: 'Calculation' }).getByText('The program ended').waitFor()
  await photograph(page, 'drawer-failed')
  await accessible(page)
  quiet()
})

test('what is wrong with a new container stands beside its field', { skip }, async () => {
  const { page } = await here.atBoard('Mary Somerville', 'Connexion', 'Physical sciences')
  await page.getByRole('button', { name: 'New container' }).click()
  await page.getByRole('button', { name: /^Any image/ }).click()
  await page.getByLabel('Memory (MiB)').fill('1')
  await page.getByRole('button', { name: 'Create container' }).click()
  await page.getByLabel('Image', { exact: true }).and(page.locator('[aria-invalid=true]')).waitFor()
  await page.getByLabel('Image', { exact: true }).fill('orrery/test:latest')
  await page.getByRole('button', { name: 'Create container' }).click()
  await page.getByLabel('Memory (MiB)').and(page.locator('[aria-invalid=true]')).waitFor()
  await accessible(page)
  await photograph(page, 'container-form')
})

test(
  'any image is served at the port that the form says, and without one at the port that the image names',
  { skip },
  async () => {
    const { page, context, quiet } = await here.atBoard('Dorothy Vaughan', 'West Computers', 'Fortran')
    const make = async (name, reference, port) => {
      await page.getByRole('button', { name: 'New container' }).click()
      await page.getByRole('button', { name: /^Any image/ }).click()
      await page.getByLabel('Name', { exact: true }).fill(name)
      await page.getByLabel('Image', { exact: true }).fill(reference)
      await page.getByLabel('Port').fill(port)
      await page.getByRole('button', { name: 'Create container' }).click()
    }
    await make('Told', 'orrery-test/program:bare', '80000')
    await page.getByLabel('Port').and(page.locator('[aria-invalid=true]')).waitFor()
    await page.getByText('Must be from 1 to 65535.').waitFor()
    await photograph(page, 'container-port', [1280])
    await page.getByLabel('Port').fill('8080')
    await page.getByRole('button', { name: 'Create container' }).click()
    await phase(page, 'Told', 'running')
    await page.getByRole('complementary', { name: 'Told' }).getByRole('button', { name: 'Close' }).click()
    await make('Named', 'orrery-test/program:web', '')
    await phase(page, 'Named', 'running')
    for (const name of ['Told', 'Named']) {
      const link = card(page, name).getByRole('link', { name: /^Open/ })
      const [service] = await Promise.all([context.waitForEvent('page'), link.click()])
      await service.getByText('the container', { exact: true }).waitFor()
      assert.equal(new URL(service.url()).host, new URL(await link.getAttribute('href')).host)
      await service.close()
    }
    quiet()
  },
)
