// People in a real browser before an installation of separate processes: everything comes in through nginx, over TLS, by host name.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DOMAIN, Installation } from '../clients/topology/installation.mjs'
import { accessible, browser, heading, person, photograph } from './support.mjs'
import { addNote, note, says, typesWhile } from './team.mjs'

let installation, chromium

before(async () => {
  installation = new Installation()
  await installation.start()
  // It asks no name server but the system's, and does not know who made the certificates.
  const here = `--host-resolver-rules=MAP ${DOMAIN} 127.0.0.1, MAP *.${DOMAIN} 127.0.0.1`
  chromium = await browser(here, '--ignore-certificate-errors')
})

after(async () => {
  await chromium?.close()
  await installation?.remove()
})

/** What the API answers to the page itself. */
const api = (page, path, body) =>
  page.evaluate(
    async ([path, body]) => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      return await response.json()
    },
    [path, body],
  )

test('two people write on a board behind nginx while their gateway is drained', async (t) => {
  t.after(() => t.passed || console.error(installation.logs()))
  const ada = await person(chromium, installation.url, 'Ada Lovelace')
  const charles = await person(chromium, installation.url, 'Charles Babbage')
  const { key } = await api(ada.page, '/api/api-keys', { name: 'setting up' })
  await installation.addGateways(3, key)
  const { org } = await api(ada.page, '/api/orgs', { name: 'Analytical Engines' })
  const { project } = await api(ada.page, `/api/orgs/${org.id}/projects`, { name: 'Bernoulli numbers' })
  await api(ada.page, `/api/orgs/${org.id}/members`, { email: charles.email, role: 'member' })
  for (const { page } of [ada, charles]) {
    await page.goto(`/projects/${project.id}/board`)
    await page.getByRole('heading', { name: 'An empty board' }).waitFor()
  }

  await addNote(ada.page, '')
  const words = await typesWhile(ada, 60, async () => {
    const drained = await installation.drain(org.id, key)
    assert.notEqual((await installation.slotOf(org.id, key)).listen, drained.listen)
  })
  for (const { page } of [ada, charles]) await note(page).getByText(words).waitFor()
  await says(ada.page, 'saved')
  await ada.page.reload()
  await note(ada.page).getByText(words).waitFor()
  ada.quiet()
  charles.quiet()
})

test('whoever comes while the control plane is away is told so, and gets in once it is back', async (t) => {
  t.after(() => t.passed || console.error(installation.logs()))
  const { page, context } = await person(chromium, installation.url, 'Mary Somerville')
  const waiting = await context.newPage()
  await installation.withoutGanymede(async () => {
    for (const each of [page, waiting]) {
      await each.goto('/')
      await heading(each, 'Orrery does not answer')
    }
    // It looks again by itself, and would be gone while it is looked at.
    await page.route('**/*', (route) => route.abort('aborted'))
    await page.evaluate(() => document.querySelector('meta[http-equiv=refresh]').remove())
    await photograph(page, 'nginx-alone')
    await accessible(page)
  })
  await heading(waiting, 'Organizations')
})
