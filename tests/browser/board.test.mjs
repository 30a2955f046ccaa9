// The live board: two people on one board, what they write together, and what becomes of it when things go away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessible, photograph, stories } from './support.mjs'
import { addNote, agree, goodbye, note, says, team, typesThroughAMove } from './team.mjs'

let admin
// The first account is the administrator's.
const begin = async () => (admin = await here.person('Grace Hopper'))
const here = stories({ slots: 12 }, { begin })

const shared = (role) => team(here, role)

test('two people write one note and one code document, and see each other in it', async () => {
  const { ada, charles } = await shared()
  await addNote(ada.page, '## Plan\n- seven by Thursday')
  await says(ada.page, 'saved')
  await note(charles.page).getByText('seven by Thursday').click()
  await charles.page.keyboard.press('End')
  await charles.page.keyboard.type(', checked')
  await note(ada.page).getByText('seven by Thursday, checked').waitFor()
  // Each sees the caret of the other, with a name.
  await note(ada.page).locator('.remote-name', { hasText: charles.name }).waitFor({ state: 'attached' })
  await note(charles.page).locator('.remote-name', { hasText: ada.name }).waitFor({ state: 'attached' })
  await ada.page.getByRole('list', { name: 'People here' }).getByRole('img', { name: charles.name }).waitFor()

  await ada.page.getByRole('button', { name: 'Code document' }).click()
  await ada.page.getByLabel('Name of the document').fill('bernoulli.py')
  await ada.page.getByLabel('Name of the document').press('Enter')
  await charles.page.getByRole('button', { name: 'Open bernoulli.py' }).click()
  const code = (page) => page.locator('.cm-content')
  await code(ada.page).click()
  await ada.page.keyboard.type('print(1)')
  await code(charles.page).getByText('print(1)').waitFor()
  await code(charles.page).click()
  await charles.page.keyboard.press('Control+End')
  await charles.page.keyboard.type(' # one')
  await code(ada.page).getByText('print(1) # one').waitFor()
  await code(ada.page).locator('.cm-ySelectionInfo', { hasText: charles.name }).waitFor({ state: 'attached' })

  // Closing the page takes the pointer and the carets along.
  await says(charles.page, 'saved')
  await charles.page.close()
  await code(ada.page).locator('.cm-ySelectionInfo').waitFor({ state: 'detached' })
  await ada.page.getByRole('img', { name: charles.name }).waitFor({ state: 'detached' })
  await ada.page.reload()
  await note(ada.page).getByText('seven by Thursday, checked').waitFor()
  await ada.page.getByRole('button', { name: 'Open bernoulli.py' }).click()
  await code(ada.page).getByText('print(1) # one').waitFor()
  ada.quiet()
  await goodbye(ada, charles)
})

test('what one moves moves for the other, and undo takes back what one did oneself', async () => {
  const { ada, charles } = await shared()
  await addNote(ada.page, 'mine')
  await addNote(charles.page, 'yours')
  const at = (page, text) => page.locator('.react-flow__node', { hasText: text })
  await at(ada.page, 'yours').waitFor()
  const place = async (page, text) => (await at(page, text).getAttribute('style')).match(/translate\(.*?\)/)[0]
  const before = await place(ada.page, 'mine')
  const box = await at(ada.page, 'mine').boundingBox()
  await ada.page.mouse.move(box.x + 30, box.y + 8)
  await ada.page.mouse.down()
  await ada.page.mouse.move(box.x - 170, box.y - 90, { steps: 10 })
  await ada.page.mouse.up()
  const moved = await place(ada.page, 'mine')
  assert.notEqual(moved, before)
  const stands = (page, text, where) =>
    page.waitForFunction(
      ([text, where]) =>
        [...document.querySelectorAll('.react-flow__node')].some(
          (node) => node.textContent.includes(text) && node.style.transform === where,
        ),
      [text, where],
    )
  await stands(charles.page, 'mine', moved)
  // By keyboard: a selected node is moved by arrows, and undone by key.
  await charles.page.mouse.click(5, 400)
  await ada.page.getByRole('button', { name: 'Undo' }).click()
  await stands(charles.page, 'mine', before)
  await at(charles.page, 'yours').waitFor()
  // It has been selected since it was dragged.
  await at(ada.page, 'mine').focus()
  await ada.page.keyboard.press('ArrowRight')
  await ada.page.keyboard.press('Delete')
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await at(charles.page, 'mine').waitFor({ state: 'detached' })
  await ada.page.keyboard.press('Control+z')
  await at(charles.page, 'mine').waitFor()
  ada.quiet()
  charles.quiet()
  await goodbye(ada, charles)
})

test('a document that is renamed stays as it is for those who write in it', async () => {
  const { ada, charles } = await shared()
  const code = (page) => page.locator('.cm-content')
  await ada.page.getByRole('button', { name: 'Code document' }).click()
  await code(ada.page).click()
  await ada.page.keyboard.type('begun ')
  await charles.page.getByRole('button', { name: 'Open Untitled' }).click()
  await code(charles.page).getByText('begun').waitFor()
  await charles.page.getByLabel('Name of the document').fill('mill')
  await charles.page.getByLabel('Name of the document').press('Enter')
  await ada.page.getByRole('complementary', { name: 'mill' }).waitFor()
  assert.equal(await code(ada.page).getAttribute('aria-label'), 'mill')
  await ada.page.keyboard.type('and done')
  await code(charles.page).getByText('begun and done').waitFor()
  // Whoever is somewhere else by then is not called back.
  await ada.page.getByLabel('Name of the document').click()
  await charles.page.getByLabel('Name of the document').fill('engine')
  await charles.page.getByLabel('Name of the document').press('Enter')
  await ada.page.getByRole('complementary', { name: 'engine' }).waitFor()
  assert.ok(await ada.page.getByLabel('Name of the document').evaluate((it) => it === document.activeElement))
  // What was written before is still undone by whoever wrote it.
  await code(ada.page).click()
  // How much is one step depends on how fast it was written.
  for (let steps = 0; steps < 20; steps += 1) await ada.page.keyboard.press('Control+z')
  await code(charles.page).getByText('begun').waitFor({ state: 'detached' })
  ada.quiet()
  charles.quiet()
  await goodbye(ada, charles)
})

test('a viewer sees everything and writes nothing', async () => {
  const { ada, charles } = await shared('viewer')
  await charles.page.getByText('You are a viewer').waitFor()
  await addNote(ada.page, 'for all to read')
  await note(charles.page).getByText('for all to read').waitFor()
  assert.equal(await note(charles.page).getAttribute('contenteditable'), 'false')
  assert.equal(await charles.page.getByRole('button', { name: 'Note', exact: true }).count(), 0)
  assert.equal(await charles.page.getByRole('button', { name: 'Undo' }).count(), 0)

  // A long program is read to its end, by key too.
  await ada.page.getByRole('button', { name: 'Code document' }).click()
  await ada.page.locator('.cm-content').click()
  await ada.page.keyboard.insertText(`${'x = 1\n'.repeat(200)}the_end = 1`)
  await charles.page.getByRole('button', { name: 'Open Untitled' }).click()
  const code = charles.page.locator('.cm-content')
  await code.getByText('x = 1').first().waitFor()
  await charles.page.getByRole('button', { name: /^Language/ }).focus()
  await charles.page.keyboard.press('Tab')
  assert.ok(await code.evaluate((it) => it === document.activeElement))
  await charles.page.keyboard.press('Control+End')
  await code.getByText('the_end').waitFor()
  await accessible(charles.page)
  charles.quiet()
  await goodbye(ada, charles)
})

test('who may write from now on learns of it, and who may not any more does so before they try', async () => {
  const { ada, charles, project } = await shared('viewer')
  await charles.page.getByText('You are a viewer').waitFor()
  await ada.api('POST', `/api/projects/${project.id}/members`, { email: charles.email, role: 'editor' })
  await addNote(charles.page, 'at last')
  await note(ada.page).getByText('at last').waitFor()
  await says(charles.page, 'saved')
  assert.equal(await charles.page.getByText('You are a viewer').count(), 0)
  await ada.api('POST', `/api/projects/${project.id}/members`, { email: charles.email, role: 'viewer' })
  await charles.page.getByText('You may only read here from now on.').waitFor()
  await charles.page.getByText('You are a viewer').waitFor()
  assert.equal(await note(charles.page).getAttribute('contenteditable'), 'false')
  assert.equal(await charles.page.getByText('refused').count(), 0)
  charles.quiet()
  await goodbye(ada, charles)
})

test('others see what one has in hand, and that one has let go of it', async () => {
  const { ada, charles } = await shared()
  await addNote(ada.page, 'mill')
  await ada.page.keyboard.press('Escape')
  await ada.page.keyboard.press('Enter')
  const held = charles.page.locator('.react-flow__node', { hasText: ada.name })
  await held.waitFor()
  await ada.page.setViewportSize({ width: 390, height: 844 })
  await ada.page.getByRole('region', { name: 'Notes' }).getByText('mill').waitFor()
  await held.waitFor({ state: 'detached' })
  await note(charles.page).getByText('mill').waitFor()
  await goodbye(ada, charles)
})

test('somebody who may not write any more is told, and what was refused is undone', async () => {
  const { ada, charles, project } = await shared()
  await addNote(charles.page, 'before')
  await says(charles.page, 'saved')
  await ada.api('POST', `/api/projects/${project.id}/members`, { email: charles.email, role: 'viewer' })
  // The gateway learns of it within seconds; until then it takes what is typed.
  await note(charles.page).click()
  const viewer = charles.page.getByText('You are a viewer')
  while ((await viewer.count()) === 0) await charles.page.keyboard.type('x', { delay: 100 })
  await charles.page.getByText(/^Your last (change was|\d+ changes were) refused/).waitFor()
  await note(charles.page).getByText('before').waitFor()
  // Charles has left Ada's text for good: what she reads has no caret of his.
  await note(ada.page).locator('.remote-caret').waitFor({ state: 'detached' })
  await agree(ada.page, charles.page)
  assert.equal(await note(charles.page).getAttribute('contenteditable'), 'false')
  await goodbye(ada, charles)
})

test('an organization moves to another gateway while somebody types: nothing is lost, and nobody notices', async () => {
  const { ada, charles, org } = await shared()
  await addNote(ada.page, 'typed: ')
  await says(ada.page, 'saved')
  await ada.page.evaluate(() => {
    globalThis.said = []
    const status = document.querySelector('[data-status]')
    const note = () => globalThis.said.push(status.dataset.status)
    new MutationObserver(note).observe(status, { attributes: true, attributeFilter: ['data-status'] })
  })
  const typed = await typesThroughAMove(admin, ada, org, 80)
  await note(charles.page).getByText(typed).waitFor()
  await says(ada.page, 'saved')
  // On a busy machine the move may take long enough for a note that says so; never for anything worse.
  const said = new Set(await ada.page.evaluate(() => globalThis.said))
  for (const state of said) assert.ok(['saved', 'saving', 'reconnecting'].includes(state), state)
  await ada.page.reload()
  await note(ada.page).getByText(typed).waitFor()
  ada.quiet()
  await goodbye(ada, charles)
})

test('the board can be used by all', async () => {
  const { ada, charles } = await shared()
  await photograph(ada.page, 'board-empty')
  await accessible(ada.page)
  // An empty board says how to begin.
  await ada.page.getByRole('button', { name: /^Write/ }).click()
  await ada.page.locator('.ProseMirror-focused').waitFor()
  await ada.page.keyboard.type('## Plan\n- seven by Thursday')
  await ada.page.getByRole('button', { name: 'Code document' }).click()
  await ada.page.locator('.cm-content').click()
  await ada.page.keyboard.type('def bernoulli(n):\n"""Exactly."""')
  await accessible(ada.page)
  await photograph(ada.page, 'board-code')
  await ada.page.getByRole('complementary').getByRole('button', { name: 'Close' }).click()
  await accessible(ada.page)
  await photograph(ada.page, 'board')
  await ada.page.setViewportSize({ width: 390, height: 844 })
  await accessible(ada.page)
  ada.quiet()
  await goodbye(ada, charles)
})
