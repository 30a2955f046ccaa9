// What a browser keeps of a board, for how long, and what becomes of it when the way to the gateway is cut or ended.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heading, orrery, photograph, stories } from './support.mjs'
import { addNote, agree, goodbye, kept, note, reads, says, team, wire } from './team.mjs'

const here = stories({ slots: 12 })

const shared = (role) => team(here, role)

/** Charles opens the board again, over a wire that can be cut. */
async function overWire({ charles, project }) {
  await charles.page.goto('/')
  const line = await wire(charles)
  await charles.page.goto(`/projects/${project.id}/board`)
  return line
}

test('what is written without a network is kept, survives a reload, and is merged on return', async () => {
  const { ada, charles, project } = await shared()
  const line = await overWire({ charles, project })
  await addNote(charles.page, 'together ')
  await says(charles.page, 'saved')
  await note(ada.page).getByText('together').waitFor()
  await line.cut()
  await charles.page.keyboard.type('apart')
  await charles.page.getByText('Offline, 5 unsaved changes').waitFor()
  await photograph(charles.page, 'board-offline')
  await note(ada.page).click()
  await ada.page.keyboard.press('Control+Home')
  await ada.page.keyboard.type('meanwhile ')
  await says(ada.page, 'saved')

  // The page itself comes again, the gateway is still out of reach: the browser shows what it kept.
  await charles.context.setOffline(false)
  await charles.page.reload()
  await reads(charles.page, 'together apart')
  await charles.context.setOffline(true)
  await charles.page.getByText('Offline, 5 unsaved changes').waitFor()

  await line.mend()
  for (const { page } of [ada, charles]) await reads(page, 'meanwhile together apart')
  await says(charles.page, 'saved')
  await goodbye(ada, charles)
})

test('code is written without a network too, and what cannot be fetched then takes nothing else away', async () => {
  const { ada, charles, project } = await shared()
  const { page, context } = charles
  const missing = (route) => route.abort()
  await page.route('**/assets/CodeText-*', missing)
  const line = await overWire({ charles, project })
  await addNote(page, 'still here')
  await says(page, 'saved')
  await line.cut()
  await page.getByRole('button', { name: 'Code document' }).click()
  const panel = page.getByRole('complementary', { name: 'Untitled' })
  await panel.getByRole('alert').getByText('This part of the page did not come').waitFor()
  await photograph(page, 'board-part-missing')
  await reads(page, 'still here')

  // The page comes again before the gateway does.
  await context.setOffline(false)
  await page.unroute('**/assets/CodeText-*', missing)
  await page.reload()
  await page.getByRole('button', { name: 'Open Untitled' }).click()
  await panel.locator('.cm-content').waitFor()
  await context.setOffline(true)
  await says(page, 'offline')
  await page.locator('.cm-content[contenteditable=true]').click()
  await page.keyboard.type('apart = 1')
  await line.mend()
  await says(page, 'saved')
  await ada.page.getByRole('button', { name: 'Open Untitled' }).click()
  await ada.page.locator('.cm-content', { hasText: 'apart = 1' }).waitFor()
  await goodbye(ada, charles)
})

/** In the page: whether so many changes are in the storage of the browser alone. Who leaves at once may leave before they are. */
async function unsavedKept(expected) {
  const answer = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)))
  let unsaved = 0
  for (const { name } of await indexedDB.databases()) {
    const database = await answer(indexedDB.open(name))
    const counts = await answer(database.transaction('custom').objectStore('custom').getAll())
    unsaved += counts.reduce((sum, count) => sum + count, 0)
    database.close()
  }
  return unsaved === expected
}

test('what was written in a document that is open no more gets to the others with the board', async () => {
  const { ada, charles, project } = await shared()
  const { page, context } = charles
  const line = await overWire({ charles, project })
  await page.getByRole('button', { name: 'Code document' }).click()
  await page.locator('.cm-content[contenteditable=true]').click()
  await says(page, 'saved')
  await line.cut()
  await page.keyboard.type('apart = 1')
  await page.getByText('Offline, 9 unsaved changes').waitFor()
  await page.waitForFunction(unsavedKept, 9)
  await context.setOffline(false)
  await page.goto('/')
  await line.mend()
  await page.goto(`/projects/${project.id}/board`)
  await says(page, 'saved')
  await ada.page.getByRole('button', { name: 'Open Untitled' }).click()
  await ada.page.locator('.cm-content', { hasText: 'apart = 1' }).waitFor()
  charles.quiet()
  await goodbye(ada, charles)
})

test('what two tabs write without a network is counted in both, and none of it is lost with the tab', async () => {
  const { ada, charles, project } = await shared()
  const { page, context } = charles
  const line = await overWire({ charles, project })
  await addNote(page, 'both ')
  await says(page, 'saved')
  const tab = await context.newPage()
  const other = await wire({ page: tab, context })
  await tab.goto(`/projects/${project.id}/board`)
  await reads(tab, 'both')
  await line.cut()
  await other.cut()
  await page.keyboard.type('one ')
  await page.getByText('Offline, 4 unsaved changes').waitFor()
  await note(tab).click()
  await tab.keyboard.press('Control+End')
  await tab.keyboard.type('other')
  await tab.getByText('Offline, 5 unsaved changes').waitFor()
  await page.waitForFunction(unsavedKept, 9)
  await page.close()

  // What the first tab left behind gets there with the second one, and nothing remains of its count.
  await other.mend()
  await says(tab, 'saved')
  for (const each of [ada.page, tab]) {
    await note(each).getByText('one').waitFor()
    await note(each).getByText('other').waitFor()
  }
  await tab.waitForFunction(unsavedKept, 0)
  await agree(ada.page, tab)
  charles.quiet()
  await goodbye(ada, charles)
})

test('a browser whose storage is taken away goes on sending what is written, and says what it does not do', async () => {
  const { ada, charles, project } = await shared()
  const { page } = charles
  const line = await overWire({ charles, project })
  await addNote(page, 'kept ')
  await says(page, 'saved')
  await page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases()
    await new Promise((resolve) => (indexedDB.deleteDatabase(name).onsuccess = resolve))
  })
  await page.keyboard.type('sent ')
  await reads(ada.page, 'kept sent')
  await says(page, 'saved')
  await line.cut()
  await page.keyboard.type('later')
  await page.getByText('this browser keeps nothing without it').waitFor()
  await line.mend()
  await reads(ada.page, 'kept sent later')
  await says(page, 'saved')
  charles.quiet()
  await goodbye(ada, charles)
})

test('a narrow screen does not say that there is nothing before it knows', async () => {
  const { ada, charles, project } = await shared()
  const { page, context } = charles
  await page.setViewportSize({ width: 390, height: 844 })
  const line = await overWire({ charles, project })
  await page.getByRole('region', { name: 'Notes' }).getByText('None yet.').waitFor()
  await page.goto('/')
  await page.evaluate(async () => {
    for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name)
  })
  await line.cut()
  await context.setOffline(false)
  await page.goto(`/projects/${project.id}/board`)
  await page.getByRole('region', { name: 'Notes' }).getByText('On their way…').waitFor()
  assert.equal(await page.getByText('None yet').count(), 0)
  await line.mend()
  await page.getByRole('region', { name: 'Notes' }).getByText('None yet.').waitFor()
  await goodbye(ada, charles)
})

test('who is let in again after a while gets back by themselves', async () => {
  const { ada, charles, project } = await shared()
  await charles.page.goto('/')
  const sockets = []
  let away = false
  await charles.page.routeWebSocket(/\/collab\//, (socket) => {
    if (away) return void socket.close({ code: 1001 })
    sockets.push(socket)
    socket.connectToServer()
  })
  await charles.page.goto(`/projects/${project.id}/board`)
  await addNote(charles.page, 'before ')
  await says(charles.page, 'saved')
  // Whoever gives tokens is not there just when the old one ends.
  away = true
  const tokens = /\/api\/auth\/token$|\/start$/
  const refused = charles.page.waitForResponse((it) => tokens.test(it.url()) && it.status() === 503)
  await charles.page.route(tokens, (route) => route.fulfill({ status: 503, json: {} }))
  for (const socket of sockets) await socket.close({ code: 4401, reason: 'access ended' })
  await charles.page.keyboard.type('after')
  await refused
  await says(charles.page, 'reconnecting')
  away = false
  await charles.page.unroute(tokens)
  await says(charles.page, 'saved')
  await reads(ada.page, 'before after')
  await goodbye(ada, charles)
})

test('what is too large to be saved is said, and sent again only once it is less', async (t) => {
  const small = await orrery({ environment: { ORRERY_LIMITS_WIRE_FRAME_BYTES_MAX: '20000' } })
  t.after(() => small.stop())
  const { ada, charles } = await team({ chromium: here.chromium, url: small.url })
  const { page } = charles
  let opened = 0
  page.on('websocket', (socket) => (opened += socket.url().includes('/doc:') ? 1 : 0))
  await page.getByRole('button', { name: 'Code document' }).click()
  const code = (page) => page.locator('.cm-content[contenteditable=true]')
  await code(page).click()
  await page.keyboard.type('x = 1')
  await says(page, 'saved')
  const saysTooMuch = () => page.getByText('More was written at once than can be saved (Code document).').waitFor()
  await page.keyboard.insertText('y'.repeat(30_000))
  await saysTooMuch()
  await says(page, 'stuck')
  await photograph(page, 'board-too-large')

  // What is still as large is sent once, when one says so.
  const before = opened
  await page.getByRole('button', { name: 'Try again' }).click()
  await says(page, 'saving')
  await saysTooMuch()
  assert.equal(opened, before + 1)

  await code(page).click()
  await page.keyboard.press('Control+a')
  await page.keyboard.type('x = 2')
  await page.getByRole('button', { name: 'Try again' }).click()
  await says(page, 'saved')
  await ada.page.getByRole('button', { name: 'Open Untitled' }).click()
  await code(ada.page).getByText('x = 2').waitFor()

  await code(page).click()
  await page.keyboard.insertText('z'.repeat(30_000))
  await page.getByRole('button', { name: 'Discard what is not saved' }).click()
  await page.getByRole('button', { name: 'Discard', exact: true }).click()
  await code(page).getByText('zz').waitFor({ state: 'detached' })
  await code(page).click()
  await page.keyboard.press('Control+End')
  await page.keyboard.type(' # saved')
  await says(page, 'saved')
  await code(ada.page).getByText('x = 2 # saved').waitFor()
  charles.quiet()
  await goodbye(ada, charles)
})

test('a stale picture of the containers is thrown away and read anew, and the page says so', async () => {
  const { ada, charles, project } = await shared()
  await charles.page.goto('/')
  // The first message of each connection says what of the document is here already.
  const [openings, sockets] = [[], []]
  await charles.page.routeWebSocket(/\/collab\/[^/]+\/system\?/, (socket) => {
    const gateway = socket.connectToServer()
    const at = sockets.push(socket) - 1
    socket.onMessage((message) => {
      openings[at] ??= [...message]
      gateway.send(message)
    })
  })
  await charles.page.goto(`/projects/${project.id}/board`)
  await says(charles.page, 'live')
  await charles.page.evaluate(() => (globalThis.same = true))
  await sockets[0].close({ code: 4410, reason: 'stale replica' })
  await charles.page.getByText('What was shown of the containers was out of date. It was read again.').waitFor()
  // One may see it live before it has opened again.
  const deadline = Date.now() + 30_000
  while (openings[1] === undefined) {
    assert.ok(Date.now() < deadline, 'it was not opened again')
    await says(charles.page, 'live')
  }
  await says(charles.page, 'live')
  assert.equal(sockets.length, 2)
  // Sync, step 1, and a state vector of nobody.
  assert.deepEqual(openings[1], [0, 0, 1, 0])
  assert.ok(await charles.page.evaluate(() => globalThis.same), 'the page itself stayed')
  await charles.page.getByRole('button', { name: 'New container' }).click()
  await charles.page.getByLabel('Search the catalogue').waitFor()
  charles.quiet()
  await goodbye(ada, charles)
})

test('somebody who signs out leaves nothing behind, in any tab, and what others kept stays', async () => {
  const { ada, charles, project } = await shared()
  const { page, context } = charles
  await addNote(page, 'mine')
  await says(page, 'saved')
  const { user } = await charles.api('GET', '/api/auth/me')
  assert.deepEqual(await kept(page), [`orrery/${user.id}/${project.id}/board`])
  const other = `orrery/018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f/${project.id}/board`
  await page.evaluate(
    (name) =>
      new Promise((resolve) => {
        indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result.close())
      }),
    other,
  )
  const tab = await context.newPage()
  await tab.goto(`/projects/${project.id}/board`)
  await note(tab).getByText('mine').waitFor()

  await page.getByRole('button', { name: /^Account of/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  for (const each of [page, tab]) await heading(each, 'Sign in')
  await page.waitForFunction(async () => (await indexedDB.databases()).length === 1)
  assert.deepEqual(await kept(page), [other])
  charles.quiet()
  await goodbye(ada, charles)
})

test('nobody signs out of unsaved changes without being asked', async () => {
  const { ada, charles, project } = await shared()
  const line = await overWire({ charles, project })
  await addNote(charles.page, 'safe ')
  await says(charles.page, 'saved')
  await line.cut()
  await charles.page.keyboard.type('new')
  await charles.page.getByText('Offline, 3 unsaved changes').waitFor()
  const signOut = async () => {
    await charles.page.getByRole('button', { name: /^Account of/ }).click()
    await charles.page.getByRole('menuitem', { name: 'Sign out' }).click()
  }
  await signOut()
  const dialog = charles.page.getByRole('dialog', { name: 'Sign out and lose what is not saved?' })
  await dialog.getByText('3 changes are in this browser only').waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await line.mend()
  await says(charles.page, 'saved')
  await reads(ada.page, 'safe new')
  await signOut()
  await heading(charles.page, 'Sign in')
  await goodbye(ada, charles)
})

test('somebody who is removed is told that their access ended, and keeps nothing of the project', async () => {
  const { ada, charles, org } = await shared()
  await addNote(charles.page, 'seen')
  await says(charles.page, 'saved')
  assert.equal((await kept(charles.page)).length, 1)
  const { user } = await charles.api('GET', '/api/auth/me')
  await ada.api('DELETE', `/api/orgs/${org.id}/members/${user.id}`)
  await heading(charles.page, 'Your access ended')
  await charles.page.waitForFunction(async () => (await indexedDB.databases()).length === 0)
  await photograph(charles.page, 'board-ended')
  charles.quiet()
  await goodbye(ada, charles)
})
