// What people see at the address of a container that they cannot have: a page of ours, which says why and leads on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IMAGE, card, choose, containerStories, create, phase, skip } from './containers.mjs'
import { accessible, heading, photograph } from './support.mjs'

const here = containerStories()

/** Lets a page ask for itself once: one that looks again by itself would be gone while it is looked at. */
async function once(page, address) {
  let asked = false
  await page.route(address, async (route) => {
    if (asked) return route.abort('aborted')
    asked = true
    await route.continue()
  })
}

/** Goes there; the page has this title, and what it says of itself is for everybody. */
async function sees(page, address, title, name) {
  await page.goto(address)
  await heading(page, title)
  // Nothing else is wrong with a page that looks again than that it does.
  await page.evaluate(() => document.querySelector('meta[http-equiv=refresh]')?.remove())
  await accessible(page)
  await photograph(page, `front-${name}`)
}

const leads = async (page, name, to) =>
  assert.equal(await page.getByRole('link', { name, exact: true }).getAttribute('href'), to)

test('whoever cannot have a container is told why, and led on', { skip }, async () => {
  const emilie = await here.atBoard('Émilie du Châtelet', 'Cirey', 'Principia')
  const { page: board, org, project, api, context } = emilie
  const { port } = new URL(here.url)
  const at = (label) => `http://${label}.org-${org.id}.localhost:${port}/`
  const address = async (name) => at((await card(board, name).getAttribute('data-container')).replace('_', '-'))
  for (const [name, image, expected] of [
    ['Library', IMAGE, 'running'],
    ['Calculation', 'Short program', 'failed'],
    ['Telescope', 'Slow program', 'starting'],
  ]) {
    await create(board, name, image)
    await phase(board, name, expected)
  }
  const [library, calculation, telescope] = await Promise.all(['Library', 'Calculation', 'Telescope'].map(address))

  // Signed in at one host of theirs, and told by name what there is about each.
  const page = await context.newPage()
  await page.goto(library)
  await page.getByText('the container', { exact: true }).waitFor()
  await choose(board, 'Library', 'Stop')
  await phase(board, 'Library', 'stopped')
  // What the program answered there before, the browser may keep.
  await sees(page, `${library}?again`, 'Library is stopped', 'stopped')
  await sees(page, at('uc-0000000000000000'), 'There is nothing here', 'unknown')
  await leads(page, 'Go to Orrery', `http://localhost:${port}/`)

  // Whoever is signed in nowhere learns that there is a container, and no more.
  const stranger = await here.visitor()
  await once(stranger.page, telescope)
  await sees(stranger.page, telescope, 'The container is starting', 'starting')
  assert.equal(await stranger.page.getByText('This page looks again by itself.').count(), 1)
  await sees(stranger.page, calculation, 'The container has failed', 'failed-stranger')

  // A viewer sees the board, and is sent there.
  const voltaire = await here.person('Voltaire')
  await api('POST', `/api/orgs/${org.id}/members`, { email: voltaire.email, role: 'member' })
  await api('POST', `/api/projects/${project.id}/members`, { email: voltaire.email, role: 'viewer' })
  await choose(board, 'Library', 'Start')
  await phase(board, 'Library', 'running')
  await sees(voltaire.page, library, 'This is not open to you', 'viewer')
  await leads(voltaire.page, 'Go to the board', `http://localhost:${port}/projects/${project.id}/board`)
  // Signed in at the address that `orrery up` printed, and at no other name.
  await voltaire.page.getByRole('link', { name: 'Go to the board' }).click()
  await card(voltaire.page, 'Library').waitFor()
  assert.equal(voltaire.page.url(), `${here.url}/projects/${project.id}/board`)

  // A container of others is none.
  const maupertuis = await here.person('Maupertuis')
  await sees(maupertuis.page, library, 'There is nothing here', 'no-member')
  await maupertuis.page.getByRole('link', { name: 'Go to Orrery' }).click()
  await heading(maupertuis.page, 'Organizations')
  assert.equal(maupertuis.page.url(), `${here.url}/`)

  // Nobody has ever been in this organization.
  const { org: empty } = await api('POST', '/api/orgs', { name: 'Lunéville' })
  const asleep = `http://uc-0000000000000000.org-${empty.id}.localhost:${port}/`
  await sees(stranger.page, asleep, 'This organization is asleep', 'asleep')
  for (const { quiet } of [emilie, stranger, voltaire, maupertuis]) quiet()
})
