// People, organizations and projects: two people who have never heard of each other come to share one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessible, heading, password, photograph, stories } from './support.mjs'

const here = stories()

/** Fills in the one name that a dialog asks for. */
async function name(page, label, text, action) {
  await page.getByLabel(label).fill(text)
  await page.getByRole('dialog').getByRole('button', { name: action }).click()
}

test('two people share an organization and its project', async () => {
  const ada = await here.person('Ada Lovelace')
  assert.equal(await ada.page.title(), 'Organizations – Orrery')
  await ada.page.getByText('No organization yet').waitFor()
  await ada.page.getByRole('button', { name: 'New organization' }).click()
  await name(ada.page, 'Name of the organization', 'Analytical Engines', 'Make organization')
  await heading(ada.page, 'Analytical Engines')
  const org = new URL(ada.page.url()).pathname
  assert.match(org, /^\/orgs\/[0-9a-f-]{36}$/)

  await ada.page.getByRole('button', { name: 'New project' }).click()
  await name(ada.page, 'Name of the project', 'Bernoulli numbers', 'Make project')
  await ada.page.waitForURL(/\/projects\/[0-9a-f-]{36}\/board$/)
  await ada.page.waitForFunction(() => document.title.startsWith('Bernoulli numbers'))

  const bob = await here.person('Charles Babbage')
  await bob.page.getByText('No organization yet').waitFor()
  await bob.page.goto(org)
  await heading(bob.page, 'There is no such organization')

  await ada.page.goto(`${org}/members`)
  await ada.page.getByLabel('E-mail address').fill(bob.email)
  await ada.page.getByRole('button', { name: 'Add member' }).click()
  await ada.page.getByText('Charles Babbage is a member now').waitFor()

  await bob.page.goto('/')
  await bob.page.getByRole('link', { name: /Analytical Engines/ }).click()
  await bob.page.getByRole('link', { name: 'Bernoulli numbers', exact: true }).waitFor()
  await bob.page.getByRole('link', { name: 'Members' }).click()
  await bob.page.getByText(ada.email).waitFor()
  assert.equal(await bob.page.getByRole('heading', { name: 'Add a member' }).count(), 0, 'members add nobody')

  await ada.page.getByLabel('Role of Charles Babbage').selectOption('admin')
  await ada.page.getByText('Charles Babbage is admin now').waitFor()
  await bob.page.reload()
  await bob.page.getByRole('heading', { name: 'Add a member' }).waitFor()

  await ada.page.getByRole('button', { name: 'Remove Charles Babbage' }).click()
  await ada.page.getByRole('button', { name: 'Remove member' }).click()
  await ada.page.getByText('Charles Babbage is no member any more').waitFor()
  await bob.page.reload()
  await heading(bob.page, 'There is no such organization')
  ada.quiet()
  bob.quiet()
})

test('a project is started, stopped, renamed and deleted', async () => {
  const { page, api, quiet } = await here.person('Mary Somerville')
  const { org } = await api('POST', '/api/orgs', { name: 'Mechanism of the Heavens' })
  await page.goto(`/orgs/${org.id}`)
  await page.getByText('No project yet').waitFor()
  await api('POST', `/api/orgs/${org.id}/projects`, { name: 'Comets' })
  await page.reload()

  await page.getByText('never opened').waitFor()
  await page.getByRole('button', { name: 'Start Comets' }).click()
  await page.getByText('Started', { exact: true }).waitFor()
  await page.getByText(/Last active/).waitFor()
  await page.getByRole('button', { name: 'Stop Comets' }).click()
  await page.getByText('Stopped', { exact: true }).waitFor()

  const more = (name) => page.getByRole('button', { name: `More about ${name}`, exact: true }).click()
  await more('Comets')
  await page.getByRole('menuitem', { name: 'Rename project' }).click()
  await name(page, 'Name of the project', 'Comets and moons', 'Rename')
  await page.getByRole('link', { name: 'Comets and moons', exact: true }).waitFor()

  await more('Comets and moons')
  await page.getByRole('menuitem', { name: 'Delete project' }).click()
  const confirm = page.getByRole('dialog').getByRole('button', { name: 'Delete project' })
  assert.ok(await confirm.isDisabled(), 'the name comes first')
  await page.getByLabel(/Type Comets and moons/).fill('Comets and moons')
  await confirm.click()
  await page.getByText('No project yet').waitFor()
  assert.deepEqual((await api('GET', `/api/orgs/${org.id}/projects`)).projects, [])
  quiet()
})

test('a role in one project overrides what follows from the organization', async () => {
  const owner = await here.person('Caroline Herschel')
  const guest = await here.person('William Herschel')
  const { org } = await owner.api('POST', '/api/orgs', { name: 'Sweeps' })
  const { project } = await owner.api('POST', `/api/orgs/${org.id}/projects`, { name: 'Nebulae' })
  await owner.api('POST', `/api/orgs/${org.id}/members`, { email: guest.email, role: 'member' })
  const role = async () => {
    const { members } = await owner.api('GET', `/api/projects/${project.id}/members`)
    return members.find(({ user }) => user.email === guest.email).role
  }

  await owner.page.goto(`/orgs/${org.id}`)
  await owner.page.getByRole('button', { name: 'More about Nebulae' }).click()
  await owner.page.getByRole('menuitem', { name: 'Roles in this project' }).click()
  const select = owner.page.getByLabel('Role of William Herschel')
  const isChange = (it) => it.url().includes(`${project.id}/members`) && it.request().method() !== 'GET' && it.ok()
  const changed = () => owner.page.waitForResponse(isChange)
  await Promise.all([changed(), select.selectOption('viewer')])
  assert.equal(await role(), 'viewer')
  await Promise.all([changed(), select.selectOption('editor, as a member')])
  assert.equal(await role(), 'editor')
  owner.quiet()
})

test('signing in says what is wrong, and comes back to where one was going', async () => {
  const { page, email, api } = await here.person('Grace Hopper')
  const { org } = await api('POST', '/api/orgs', { name: 'Compilers' })
  await page.getByRole('button', { name: 'Account of Grace Hopper' }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await heading(page, 'Sign in')

  await page.goto(`/orgs/${org.id}`)
  await heading(page, 'Sign in')
  assert.equal(new URL(page.url()).searchParams.get('return'), `/orgs/${org.id}`)
  const signIn = async (password) => {
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await signIn('not the password')
  await page.getByRole('alert').waitFor()
  await signIn(password)
  await heading(page, 'Compilers')

  // Nobody is led elsewhere after signing in.
  for (const elsewhere of ['//evil.example/', '/.//evil.example/x']) {
    await page.goto(`/sign-in?return=${elsewhere}`)
    await heading(page, 'Organizations')
    assert.equal(new URL(page.url()).origin, here.url)
  }
})

test('whoever signs in does so in every tab, and nobody goes on as somebody else', async () => {
  const { page, email, context, api, quiet } = await here.person('Vera Rubin')
  const { org } = await api('POST', '/api/orgs', { name: 'Rotation Curves' })
  const other = await here.person('Cecilia Payne')
  const tab = await context.newPage()
  await tab.goto(`/orgs/${org.id}`)
  await heading(tab, 'Rotation Curves')
  const account = (name) => page.getByRole('button', { name: `Account of ${name}` })
  const signIn = async (email) => {
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await account('Vera Rubin').click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  for (const each of [page, tab]) await heading(each, 'Sign in')
  await signIn(email)
  await heading(tab, 'Rotation Curves')

  // The session goes without a word, as when it has ended elsewhere, and somebody else comes.
  await context.clearCookies()
  await page.reload()
  await signIn(other.email)
  await account('Cecilia Payne').waitFor()
  await tab.getByRole('button', { name: 'Account of Cecilia Payne' }).waitFor()
  await heading(tab, 'There is no such organization')
  quiet()
})

test('a page whose script does not come says so', async () => {
  const { page } = await here.person('Annie Jump Cannon')
  await page.route(/\/assets\/main-.*\.js$/, (route) => route.abort())
  await page.goto('/')
  await page.getByText('Orrery did not come whole. Load this page again.').waitFor()
  await photograph(page, 'page-unloaded')
  await accessible(page)
})

test('somebody signs out a browser that they left somewhere', async () => {
  const { page, email, quiet } = await here.person('Katherine Johnson')
  const elsewhere = await here.visitor()
  await elsewhere.page.goto('/sign-in')
  await elsewhere.page.getByLabel('E-mail address').fill(email)
  await elsewhere.page.getByLabel('Password').fill(password)
  await elsewhere.page.getByRole('button', { name: 'Sign in' }).click()
  await heading(elsewhere.page, 'Organizations')

  await page.goto('/account')
  const sessions = page.getByRole('list', { name: 'Sessions' }).getByRole('listitem')
  await sessions.nth(1).waitFor()
  await page.getByRole('button', { name: 'End this session' }).click()
  await page.getByText('The session has ended').waitFor()
  await sessions.nth(1).waitFor({ state: 'detached' })
  await sessions.getByText('this browser').waitFor()

  await elsewhere.page.reload()
  await heading(elsewhere.page, 'Sign in')
  await page.reload()
  await heading(page, 'Account')
  quiet()
})

test('errors of a form stand beside their field', async () => {
  const { page, quiet } = await here.visitor()
  await page.goto('/sign-up')
  await page.getByLabel('Name').fill('Nobody')
  await page.getByLabel('E-mail address').fill('nobody@nowhere')
  await page.getByLabel('Password').fill('short but long enough')
  // The browser's own checks are no part of this.
  await page.evaluate(() => (document.querySelector('form').noValidate = true))
  await page.getByLabel('Password').fill('short')
  await page.getByRole('button', { name: 'Make an account' }).click()
  const field = page.getByLabel('Password')
  await page.waitForFunction(() => document.querySelector('[name=password]').getAttribute('aria-invalid') === 'true')
  const described = (await field.getAttribute('aria-describedby')).split(' ')
  const texts = await Promise.all(described.map((id) => page.locator(`[id="${id}"]`).innerText()))
  assert.match(texts.join(' '), /8/)
  quiet()
})

test('everything works by keyboard alone, and the focus is never lost', async () => {
  const { page, api, quiet } = await here.person('Emmy Noether')
  const { org } = await api('POST', '/api/orgs', { name: 'Invariants' })
  await api('POST', `/api/orgs/${org.id}/projects`, { name: 'Rings' })
  await page.goto('/')
  await page.getByRole('link', { name: /Invariants/ }).focus()
  await page.keyboard.press('Enter')
  await heading(page, 'Invariants')
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1')

  const more = page.getByRole('button', { name: 'More about Rings' })
  await more.focus()
  await page.keyboard.press('ArrowDown')
  const focused = (text) => page.waitForFunction((text) => document.activeElement?.textContent === text, text)
  await focused('Open board')
  for (const [key, item] of [
    ['End', 'Delete project'],
    ['ArrowDown', 'Open board'],
    ['r', 'Roles in this project'],
    ['r', 'Rename project'],
  ]) {
    await page.keyboard.press(key)
    await focused(item)
  }
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Rename project' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  // The focus is where it was.
  await page.waitForFunction((button) => button === document.activeElement, await more.elementHandle())
  quiet()
})

test('every page is readable for everybody', async () => {
  const outside = await here.visitor()
  const { page, api, quiet } = await here.person('Hypatia of Alexandria')
  const shown = async (page, name) => {
    await photograph(page, name)
    await accessible(page)
  }
  await outside.page.goto('/sign-in')
  await heading(outside.page, 'Sign in')
  await shown(outside.page, 'sign-in')
  await outside.page.goto('/sign-up')
  await heading(outside.page, 'Make an account')
  await shown(outside.page, 'sign-up')

  await shown(page, 'organizations-empty')
  const { org } = await api('POST', '/api/orgs', { name: 'Library of Alexandria' })
  await api('POST', '/api/orgs', {
    name: 'An organization whose name is as long as names of organizations get to be, if so',
  })
  await page.reload()
  await page.getByText('Library of Alexandria').waitFor()
  await shown(page, 'organizations')

  await page.goto(`/orgs/${org.id}`)
  await page.getByText('No project yet').waitFor()
  await shown(page, 'projects-empty')
  const { project } = await api('POST', `/api/orgs/${org.id}/projects`, { name: 'Conics' })
  await api('POST', `/projects/${project.id}/start`)
  await api('POST', `/api/orgs/${org.id}/projects`, { name: 'Astrolabes' })
  await page.reload()
  await page.getByRole('link', { name: 'Astrolabes', exact: true }).waitFor()
  await shown(page, 'projects')
  await page.getByRole('button', { name: 'More about Conics' }).click()
  await shown(page, 'project-menu')
  await page.getByRole('menuitem', { name: 'Roles in this project' }).click()
  await page.getByText('admin, as owner').waitFor()
  await shown(page, 'project-roles')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'More about Conics' }).click()
  await page.getByRole('menuitem', { name: 'Delete project' }).click()
  await shown(page, 'project-delete')
  await page.keyboard.press('Escape')

  await page.goto(`/orgs/${org.id}/members`)
  await page.getByLabel('E-mail address').fill('nobody@example.org')
  await page.getByRole('button', { name: 'Add member' }).click()
  await page.getByText('Nobody has an account with this address').waitFor()
  await shown(page, 'members')

  await page.goto('/account')
  await page.getByText('You have no API key').waitFor()
  await shown(page, 'account')
  await page.goto('/orgs/018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f')
  await heading(page, 'There is no such organization')
  await shown(page, 'organization-unknown')
  quiet()
})
