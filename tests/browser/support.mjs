// The real binary, a real browser, and people in it. Each story gets an installation of its own.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
//   CHROMIUM     the browser; Debian's if unset
//   ORRERY_UI    a folder to take the browser client from, for whoever works on it; if unset, the one in the binary
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { up } from './up.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const screenshots = join(root, 'target/screenshots')
export const password = 'correct horse battery'

/** An installation of its own, with passwords that are hashed quickly. */
export function orrery({ slots = 3, environment = {} } = {}) {
  const common = {
    PATH: process.env.PATH,
    ORRERY_LIMITS_RATES_USER_PER_MINUTE: '1000000',
    ORRERY_LIMITS_RATES_SIGN_IN_PER_MINUTE: '1000000',
    ORRERY_PASSWORDS_MEMORY_KIB: '64',
  }
  return up({ ...common, ...environment }, ['--slots', String(slots)])
}

/** Where all stories of a file happen: an installation, and one browser. Both are there when the first one begins, and so is
 * what `begin` makes in them; `end` comes when both are gone. One hook does it all, because several do not wait for each other. */
export function stories(options, { begin, end } = {}) {
  const here = {
    url: undefined,
    chromium: undefined,
    visitor: () => visitor(here.chromium, here.url),
    person: (name) => person(here.chromium, here.url, name),
  }
  let installation
  before(async () => {
    installation = await orrery(options)
    here.url = installation.url
    here.chromium = await browser()
    await begin?.()
  })
  after(async () => {
    await here.chromium?.close()
    await installation?.stop()
    end?.()
  })
  return here
}

/** One browser, with these flags; each person has a context of their own in it. */
export function browser(...flags) {
  const args = ['--force-color-profile=srgb', ...flags]
  // The sandbox needs rights that root in a container does not have.
  if (process.getuid?.() === 0) args.push('--no-sandbox')
  // A page that was handed to the browser comes from nowhere, and may not ask what is on this machine.
  if (process.env.ORRERY_UI) args.push('--disable-features=LocalNetworkAccessChecks')
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args })
}

/** Somebody at their own computer, not signed in yet. What the page reports as an error fails the story that ends with `quiet`. */
export async function visitor(browser, url) {
  const context = await computer(browser, url)
  const page = await context.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    // A refusal of the API is part of some stories; the browser reports each.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  const quiet = () => assert.deepEqual(complaints, [])
  return { context, page, quiet, api: api(context, url) }
}

/** A browser that nobody has used yet. */
export async function computer(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(30_000)
  if (process.env.ORRERY_UI) await clientFrom(process.env.ORRERY_UI, context, url)
  return context
}

/** Takes the client from a folder: what was built a moment ago is tried without compiling the binary. */
async function clientFrom(folder, context, url) {
  await context.route(`${url}/**`, async (route) => {
    const { pathname } = new URL(route.request().url())
    if (pathname.startsWith('/assets/')) return route.fulfill({ path: join(folder, pathname) })
    if (route.request().resourceType() !== 'document') return route.fallback()
    const response = await route.fetch({ maxRedirects: 0 })
    // Pages of the gate are HTML too, and none of the client's.
    const ours = (await response.text()).includes('id="root"')
    const file = pathname.endsWith('/board') ? 'board.html' : 'index.html'
    await route.fulfill(ours ? { response, path: join(folder, file) } : { response })
  })
}

/** Somebody with an account, made through the page. */
export async function person(browser, url, name) {
  const somebody = await visitor(browser, url)
  const { page } = somebody
  const email = `${name.toLowerCase().replaceAll(/[^a-z]+/g, '.')}@example.org`
  await page.goto('/sign-up')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('E-mail address').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Make an account' }).click()
  await heading(page, 'Organizations')
  return { ...somebody, name, email }
}

/** Ganymede's API with the session of a browser context, for what a story needs but is not about. */
function api(context, url) {
  return async (method, path, data) => {
    const response = await context.request.fetch(url + path, { method, data, headers: { origin: url } })
    const text = await response.text()
    assert.ok(response.ok(), `${method} ${path}: ${response.status()} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
}

/** Waits for the page with this title. */
export function heading(page, name) {
  return page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Fails if axe finds a serious or critical fault on the page, in either theme. */
export async function accessible(page) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await settled(page)
    await page.evaluate(axe)
    const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }))
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    const told = grave.map(({ id, nodes }) => ({ id, where: nodes.map((node) => [node.html, node.failureSummary]) }))
    assert.deepEqual(told, [], `${colorScheme}, ${page.url()}`)
  }
}

/** The page by day and by night, wide and narrow, in `target/screenshots`. It may not be wider than its window. */
export async function photograph(page, name, widths = [1280, 390]) {
  await mkdir(screenshots, { recursive: true })
  for (const width of widths) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 800 })
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      await settled(page)
      await page.screenshot({
        path: join(screenshots, `${name}-${width}-${colorScheme}.png`),
        animations: 'disabled',
        fullPage: true,
      })
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - globalThis.innerWidth)
    assert.ok(overflow <= 0, `${name} is ${overflow} pixels wider than a window of ${width}`)
  }
  // What members run is a container, whatever runs in it.
  assert.doesNotMatch(await page.locator('body').innerText(), /\bservers?\b/i, name)
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.emulateMedia({ colorScheme: 'light' })
}

/** Colours have changed and fonts are there. */
async function settled(page) {
  await page.evaluate(async () => {
    await document.fonts.ready
    const finite = document.getAnimations().filter((it) => it.effect?.getComputedTiming().iterations !== Infinity)
    await Promise.allSettled(finite.map(({ finished }) => finished))
  })
}
