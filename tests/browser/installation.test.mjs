// Keys for programs, and what an administrator sees of the gateway pool.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessible, computer, heading, photograph, stories } from './support.mjs'

let administrator
const begin = async () => (administrator = await here.person('Joan Clarke'))
const here = stories({ slots: 3 }, { begin })

test('an API key is shown once, opens what it says, and ends', async () => {
  const { page, api, quiet } = administrator
  await page.goto('/account')
  await page.getByRole('button', { name: 'New API key' }).click()
  await page.getByLabel('What it is for').fill('Nightly export')
  await page.getByLabel('What it may be used for').selectOption('read')
  assert.equal(await page.getByLabel('How long it works').inputValue(), '90 days')
  await page.getByLabel('How long it works').selectOption('30 days')
  await photograph(page, 'api-key-new')
  await page.getByRole('button', { name: 'Make API key' }).click()
  const dialog = page.getByRole('dialog', { name: 'Your key Nightly export' })
  await dialog.waitFor()
  const key = await dialog.locator('code').innerText()
  await photograph(page, 'api-key-shown')
  await accessible(page)

  const ask = (method, path, body) =>
    fetch(here.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    })
  assert.equal((await ask('GET', '/api/orgs')).status, 200)
  assert.equal((await ask('POST', '/api/orgs', { name: 'Not with a key that reads' })).status, 403)

  await dialog.getByRole('button', { name: 'I have kept it' }).click()
  await page.getByRole('list', { name: 'API keys' }).getByText('Nightly export', { exact: true }).first().waitFor()
  assert.ok(!(await page.content()).includes(key), 'it is shown once')
  const keys = page.getByRole('list', { name: 'API keys' })
  await keys.getByText('works until').waitFor()
  const [{ created_at, expires_at }] = (await api('GET', '/api/api-keys')).api_keys
  const lives = (Date.parse(expires_at) - Date.parse(created_at)) / 86_400_000
  assert.ok(lives > 29 && lives < 31, `${lives} days`)
  await photograph(page, 'account-keys')

  // A month later it is of no use, and says so.
  // Time is another for a whole computer.
  const storageState = await administrator.context.storageState()
  const computerThen = await computer(here.chromium, here.url, { storageState })
  await computerThen.clock.setFixedTime(Date.parse(expires_at) + 1_000)
  const later = await computerThen.newPage()
  await later.goto('/account')
  await later.getByText('expired on').waitFor()
  await photograph(later, 'account-keys-expired')
  await accessible(later)
  await computerThen.close()
  await page.getByRole('button', { name: 'Delete Nightly export' }).click()
  await page.getByRole('button', { name: 'Delete API key' }).click()
  await page.getByText('You have no API key').waitFor()
  assert.equal((await ask('GET', '/api/orgs')).status, 401)
  quiet()
})

test('an administrator watches the pool and drains a slot', async () => {
  const { page, api, quiet } = administrator
  const { org } = await api('POST', '/api/orgs', { name: 'Hut 8' })
  const { project } = await api('POST', `/api/orgs/${org.id}/projects`, { name: 'Banburismus' })
  await page.goto('/pool')
  await page.getByRole('table', { name: 'Slots of the gateway pool' }).waitFor()
  await page.getByText('Free', { exact: true }).nth(2).waitFor()

  // The page sees by itself that the organization got a slot.
  await api('POST', `/projects/${project.id}/start`)
  const served = page.getByRole('row').filter({ hasText: 'Hut 8' }).filter({ hasText: 'serving' })
  await served.waitFor()
  await photograph(page, 'pool')
  await accessible(page)
  const before = await served.getAttribute('data-slot')
  await served.getByRole('button', { name: 'Drain' }).click()
  await photograph(page, 'pool-drain')
  await page.getByRole('dialog').getByRole('button', { name: 'Drain slot' }).click()
  await page.getByText(/its organization is in slot \d now/).waitFor()
  await page.waitForFunction((before) => {
    const row = [...document.querySelectorAll('[data-slot]')].find((row) => row.textContent.includes('Hut 8'))
    return row !== undefined && row.dataset.slot !== before
  }, before)
  quiet()
})

test('the first page of a visit is small, and so is the first one inside', async () => {
  // Each in a browser that has nothing of us.
  const weigh = async (path, title, cookies) => {
    const { page, context } = await here.visitor()
    await context.addCookies(cookies)
    const sizes = []
    page.on('requestfinished', (request) => sizes.push(request.sizes()))
    await page.goto(path)
    await heading(page, title)
    await page.waitForLoadState('networkidle')
    // On the wire, with fonts and everything.
    const bytes = (await Promise.all(sizes)).reduce((sum, { responseBodySize }) => sum + responseBodySize, 0)
    assert.ok(bytes > 50_000 && bytes < 350_000, `${path} is ${bytes} bytes`)
    await context.close()
  }
  await weigh('/sign-in', 'Sign in', [])
  await weigh('/', 'Organizations', await administrator.context.cookies())
})

test('nobody else sees the pool', async () => {
  const { page, quiet } = await here.person('Hugh Alexander')
  assert.equal(await page.getByRole('link', { name: 'Gateway pool' }).count(), 0)
  await page.goto('/pool')
  await page.getByText('Only an administrator sees the gateway pool.').waitFor()
  await accessible(page)
  quiet()
})

test('an unknown page says so, and refusals of the API stay JSON', async () => {
  const { page } = administrator
  const accept = 'text/html'
  for (const path of ['/api/nothing', '/orgs', '/assets/none.js']) {
    const response = await fetch(here.url + path, { headers: { accept } })
    assert.equal(response.status, 404)
    assert.equal((await response.json()).error.code, 'NOT_FOUND')
  }
  const response = await page.goto('/')
  const headers = response.headers()
  assert.match(headers['content-security-policy'], /script-src 'self';/)
  assert.match(headers['content-security-policy'], /frame-ancestors 'none'/)
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['cache-control'], 'no-cache')
  const script = await page.locator('script[type=module]').getAttribute('src')
  const asset = await fetch(here.url + script, { headers: { 'accept-encoding': 'br' } })
  assert.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  assert.equal(asset.headers.get('content-encoding'), 'br')
  await heading(page, 'Organizations')
})
