// What stories on a board share: two people with the board open, what they do on it, and what they wait for.
import assert from 'node:assert/strict'
import { person } from './support.mjs'

let people = 0
/** Names stay as they are; addresses must not come twice. */
export async function somebody(chromium, url, name) {
  const letters = [...String(people++)].map((digit) => 'abcdefghij'[digit])
  const added = `${name} ${letters.join('')}`
  return { ...(await person(chromium, url, added)), name: added }
}

/** A project of Ada's with Charles in it, and the board open on both screens. */
export async function team({ chromium, url }, role = 'editor') {
  const [ada, charles] = [
    await somebody(chromium, url, 'Ada Lovelace'),
    await somebody(chromium, url, 'Charles Babbage'),
  ]
  const { org } = await ada.api('POST', '/api/orgs', { name: 'Analytical Engines' })
  const { project } = await ada.api('POST', `/api/orgs/${org.id}/projects`, { name: 'Bernoulli numbers' })
  await ada.api('POST', `/api/orgs/${org.id}/members`, { email: charles.email, role: 'member' })
  await ada.api('POST', `/api/projects/${project.id}/members`, { email: charles.email, role })
  for (const { page } of [ada, charles]) {
    await page.goto(`/projects/${project.id}/board`)
    await page.getByRole('heading', { name: 'An empty board' }).waitFor()
  }
  return { ada, charles, org, project }
}

export const goodbye = (...all) => Promise.all(all.map(({ context }) => context.close()))

export const note = (page) => page.getByRole('textbox', { name: 'Note' })

/** In the page: the text of the note, without the names at the carets of others; or whether it is the one that is given. */
function textOfNote(expected) {
  const note = document.querySelector('[role=textbox][aria-label=Note]')?.cloneNode(true)
  note?.querySelectorAll('.remote-caret').forEach((caret) => caret.remove())
  const text = note?.textContent.trim()
  return expected === undefined ? text : text === expected
}

/** Waits until the note has this text. */
export const reads = (page, text) => page.waitForFunction(textOfNote, text)

/** Waits until both read the same in the note. */
export async function agree(one, other) {
  const deadline = Date.now() + 30_000
  for (;;) {
    const [here, there] = await Promise.all([one, other].map((page) => page.evaluate(textOfNote)))
    if (here !== undefined && here === there) return
    assert.ok(Date.now() < deadline, `${here} is not ${there}`)
  }
}

/** Waits until the page says this of its connection. */
export const says = (page, status) => page.locator(`[data-status=${status}]`).waitFor()

/** Waits until readers of the screen are told this. */
export const tells = (page, text) =>
  page.locator('main > [role=status]', { hasText: text }).waitFor({ state: 'attached' })

export async function addNote(page, text) {
  await page.getByRole('button', { name: 'Note', exact: true }).click()
  await page.locator('.ProseMirror-focused').waitFor()
  await page.keyboard.type(text)
}

/** Types so many words while something happens. What was typed. */
export async function typesWhile({ page }, count, happens) {
  const words = Array.from({ length: count }, (_, at) => `${at}.`)
  const typing = (async () => {
    for (const word of words) await page.keyboard.type(word, { delay: 20 })
  })()
  await happens()
  await typing
  return words.join('')
}

/** Types while the organization goes to another gateway, and something else happens `meanwhile`. What was typed. */
export async function typesThroughAMove(admin, somebody, org, count, meanwhile) {
  const { slots } = await admin.api('GET', '/api/pool')
  const { slot } = slots.find((slot) => slot.org === org.id)
  return typesWhile(somebody, count, async () => {
    const { allocation } = await admin.api('POST', `/api/pool/slots/${slot}/drain`)
    assert.notEqual(allocation.slot, slot)
    await meanwhile?.()
  })
}

/** A wire that can be cut: what is open closes, and nothing opens until it is mended. Install it before the page opens. */
export async function wire({ page, context }) {
  const open = new Set()
  let cut = false
  await page.routeWebSocket(/\/collab\//, (socket) => {
    if (cut) return void socket.close({ code: 1001 })
    open.add(socket)
    socket.connectToServer()
  })
  return {
    cut: async () => {
      cut = true
      await context.setOffline(true)
      for (const socket of open) await socket.close({ code: 1001 })
      open.clear()
    },
    mend: async () => {
      cut = false
      await context.setOffline(false)
    },
  }
}

/** The names of documents that this browser keeps. */
export const kept = (page) => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).sort())
