// The board without a mouse, and without seeing it: everything on it is reached, changed and told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessible, photograph, stories } from './support.mjs'
import { addNote, goodbye, note, reads, says, team, tells } from './team.mjs'

const here = stories({ slots: 12 })

const shared = (role) => team(here, role)
const node = (page, name) => page.getByRole('group', { name, exact: true })

/** Presses Tab until this has the focus; nothing may need more than a few. */
async function tabTo(page, locator) {
  for (let pressed = 0; pressed < 40; pressed += 1) {
    if (await locator.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`Tab does not lead to ${locator}`)
}

test('a board is made by keyboard alone: added, moved, connected, labelled, opened, removed', async () => {
  const { ada, charles } = await shared()
  const { page } = ada
  await tabTo(page, page.getByRole('button', { name: 'Note', exact: true }))
  await page.keyboard.press('Enter')
  await page.locator('.ProseMirror-focused').waitFor()
  await page.keyboard.type('Plan')
  // Out of the text, onto the note; then it moves.
  await page.keyboard.press('Escape')
  const plan = node(page, 'Note: Plan')
  await page.waitForFunction(() => document.activeElement?.matches('.react-flow__node'))
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement.matches('.selected'))
  const before = await plan.boundingBox()
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('Shift+ArrowUp')
  await page.waitForFunction(
    ([x, y]) => {
      const { left, top } = document.activeElement.getBoundingClientRect()
      return left < x && top < y
    },
    [before.x, before.y],
  )

  // It is sized, too.
  const { width } = await plan.boundingBox()
  await page.keyboard.press('+')
  await page.waitForFunction((width) => document.activeElement.getBoundingClientRect().width > width, width)
  await page.keyboard.press('-')
  await page.waitForFunction((width) => document.activeElement.getBoundingClientRect().width < width + 1, width)

  const code = page.getByRole('button', { name: 'Code document' })
  await code.focus()
  await page.keyboard.press('Enter')
  await page.locator('.cm-focused').waitFor()
  await page.keyboard.type('print(1)')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  await page.getByLabel('Name of the document').fill('plan.py')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary').getByRole('button', { name: 'Close' }).focus()
  await page.keyboard.press('Escape')
  await page.getByRole('complementary').waitFor({ state: 'detached' })

  await plan.focus()
  await page.keyboard.press('c')
  const dialog = page.getByRole('dialog', { name: 'Connect' })
  await dialog.getByText('From “Note: Plan”').waitFor()
  await accessible(page)
  await photograph(page, 'board-connect', [1280])
  assert.deepEqual(await dialog.getByLabel('To').locator('option').allInnerTexts(), ['Code document: plan.py'])
  await dialog.getByLabel('Label').fill('feeds')
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  const edge = (page) => page.locator('.react-flow__edge')
  await edge(charles.page).waitFor({ state: 'attached' })
  const named = 'Connection from Note: Plan to Code document: plan.py, feeds'
  assert.equal(await edge(charles.page).getAttribute('aria-label'), named)

  // The label is written where it stands; Enter gives the focus back to its connection.
  await edge(page).focus()
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement?.matches('[data-label-of] input'))
  await page.keyboard.press('Control+a')
  await page.keyboard.type('drives the mill')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement?.matches('.react-flow__edge'))
  await charles.page.locator('[data-label-of] input').waitFor()
  await charles.page.waitForFunction(() => document.querySelector('[data-label-of] input').value === 'drives the mill')
  await photograph(page, 'board-edge', [1280])

  // Open, once it is selected.
  await node(page, 'Code document: plan.py').focus()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await page.locator('.cm-content', { hasText: 'print(1)' }).waitFor()
  await page.getByRole('complementary').getByRole('button', { name: 'Close' }).press('Enter')
  await page.getByRole('complementary').waitFor({ state: 'detached' })

  // Each step is undone by itself, in the order in which it was done.
  await page.keyboard.press('Control+z')
  await charles.page.waitForFunction(() => document.querySelector('[data-label-of] input').value === 'feeds')
  await plan.focus()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Delete')
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).press('Enter')
  await node(charles.page, 'Note: Plan').waitFor({ state: 'detached' })
  await edge(charles.page).waitFor({ state: 'detached' })
  await page.waitForFunction(() => document.activeElement !== document.body)
  await page.keyboard.press('Control+z')
  await edge(charles.page).waitFor({ state: 'attached' })

  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await accessible(page)
  await photograph(page, 'board-keys', [1280])
  ada.quiet()
  charles.quiet()
  await goodbye(ada, charles)
})

test('a label is written with the mouse too, and only by those who may', async () => {
  const { ada, charles } = await shared('viewer')
  await addNote(ada.page, 'one')
  await addNote(ada.page, 'two')
  await node(ada.page, 'Note: one').focus()
  await ada.page.keyboard.press('Enter')
  await ada.page.getByRole('button', { name: 'Connect what is selected' }).click()
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Connect' }).click()
  const edge = ada.page.locator('.react-flow__edge')
  await edge.waitFor({ state: 'attached' })
  assert.equal(await ada.page.locator('[data-label-of]').count(), 0, 'nothing is asked before it is selected')
  const box = await edge.locator('.react-flow__edge-path').boundingBox()
  await ada.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2)
  await ada.page.getByLabel('Label of the connection').fill('then')
  await ada.page.keyboard.press('Enter')
  await charles.page.locator('[data-label-of]', { hasText: 'then' }).waitFor()
  assert.equal(await charles.page.locator('[data-label-of] input').count(), 0, 'viewers read labels')
  await photograph(charles.page, 'board-viewer')
  await accessible(charles.page)
  await goodbye(ada, charles)
})

test('whoever writes together undoes alone, in notes and in code', async () => {
  const { ada, charles } = await shared()
  await addNote(ada.page, 'first ')
  await says(ada.page, 'saved')
  await note(charles.page).getByText('first').click()
  await charles.page.keyboard.press('Control+End')
  await charles.page.keyboard.type('second')
  await reads(ada.page, 'first second')
  await ada.page.keyboard.press('Control+z')
  for (const { page } of [ada, charles]) await reads(page, 'second')
  await charles.page.keyboard.press('Control+z')
  for (const { page } of [ada, charles]) await reads(page, '')

  await ada.page.getByRole('button', { name: 'Code document' }).click()
  const code = (page) => page.locator('.cm-content')
  await code(ada.page).click()
  await ada.page.keyboard.type('ours = 1')
  await charles.page.getByRole('button', { name: 'Open Untitled' }).click()
  await code(charles.page).getByText('ours = 1').waitFor()
  await code(charles.page).click()
  await charles.page.keyboard.press('Control+End')
  await charles.page.keyboard.type(' # theirs')
  await code(ada.page).getByText('ours = 1 # theirs').waitFor()
  await ada.page.keyboard.press('Control+z')
  const text = (page, text) =>
    page.waitForFunction((text) => document.querySelector('.cm-line')?.textContent.includes(text), text)
  for (const { page } of [ada, charles]) await text(page, '# theirs')
  await ada.page.waitForFunction(() => !document.querySelector('.cm-line').textContent.includes('ours'))

  // What she put on the board goes with her undo as long as it is hers alone; else she is asked.
  await ada.page.getByRole('complementary').getByRole('button', { name: 'Close' }).press('Enter')
  await ada.page.keyboard.press('Control+z')
  const dialog = ada.page.getByRole('dialog', { name: 'Remove this code document?' })
  await dialog.getByText('Others may have changed it since.').waitFor()
  await ada.page.keyboard.press('Control+z')
  await dialog.getByRole('button', { name: 'Cancel' }).press('Enter')
  await note(charles.page).waitFor()
  await ada.page.getByRole('button', { name: 'Undo' }).click()
  await note(charles.page).waitFor({ state: 'detached' })
  await text(charles.page, '# theirs')
  await goodbye(ada, charles)
})

test('those who do not see the board hear who comes and goes', async () => {
  const { ada, charles, project } = await shared()
  await charles.page.goto('/')
  await tells(ada.page, `${charles.name} left`)
  await charles.page.goto(`/projects/${project.id}/board`)
  await tells(ada.page, `${charles.name} is here`)
  await ada.page.goto('/')
  // The first Tab of a page leads past what all pages have.
  await ada.page.goto(`/projects/${project.id}/board`)
  await ada.page.getByRole('heading', { name: 'An empty board' }).waitFor()
  await ada.page.getByRole('link', { name: 'Skip to the content' }).focus()
  await ada.page.keyboard.press('Enter')
  await ada.page.keyboard.press('Tab')
  assert.ok(await ada.page.evaluate(() => document.activeElement.closest('#content') !== null))
  await goodbye(ada, charles)
})

test('on a narrow screen the list has everything: notes, their formats, and what is connected with what', async () => {
  const { ada, charles } = await shared()
  const { page } = ada
  await page.setViewportSize({ width: 390, height: 844 })
  const list = (name) => page.getByRole('region', { name, exact: true })
  await page.getByRole('button', { name: 'New note' }).click()
  await page.locator('.ProseMirror-focused').waitFor()
  await page.keyboard.type('Plan')
  await page.getByRole('toolbar', { name: 'Format' }).getByRole('button', { name: 'Heading' }).click()
  await list('Notes').getByRole('heading', { level: 2, name: 'Plan' }).waitFor()
  // What formats the text covers nothing but its own note.
  const [formats, card] = await Promise.all([
    page.getByRole('toolbar', { name: 'Format' }).boundingBox(),
    list('Notes').getByRole('article').boundingBox(),
  ])
  assert.ok(formats.y >= card.y && formats.x >= card.x && formats.x + formats.width <= card.x + card.width)
  await photograph(page, 'list-typing', [390])
  await page.setViewportSize({ width: 390, height: 844 })

  await page.getByRole('button', { name: 'New code document' }).click()
  await page.getByLabel('Name of the document').fill('mill.py')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary').getByRole('button', { name: 'Close' }).click()
  await page.getByRole('button', { name: 'New connection' }).click()
  const dialog = page.getByRole('dialog', { name: 'Connect' })
  await dialog.getByLabel('From').selectOption('Note: Plan')
  await dialog.getByLabel('To').selectOption('Code document: mill.py')
  await dialog.getByLabel('Label').fill('feeds')
  await accessible(page)
  await dialog.getByRole('button', { name: 'Connect' }).click()
  const row = (label) =>
    list('Connections').getByRole('listitem', {
      name: `Connection from Note: Plan to Code document: mill.py, ${label}`,
      exact: true,
    })
  await row('feeds').waitFor()
  await charles.page.locator('.react-flow__edge').waitFor({ state: 'attached' })
  await row('feeds').getByRole('textbox').fill('drives')
  await page.keyboard.press('Enter')
  await charles.page.waitForFunction(() => document.querySelector('[data-label-of] input')?.value === 'drives')
  await row('drives').waitFor()
  await accessible(page)
  await photograph(page, 'list-connections', [390])
  await page.setViewportSize({ width: 390, height: 844 })
  await row('drives')
    .getByRole('button', { name: /^Remove/ })
    .click()
  await page.getByRole('dialog', { name: 'Remove this connection?' }).getByRole('button', { name: 'Remove' }).click()
  await charles.page.locator('.react-flow__edge').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Undo', exact: true }).click()
  await row('drives').waitFor()
  await charles.page.locator('.react-flow__edge').waitFor({ state: 'attached' })
  ada.quiet()
  charles.quiet()
  await goodbye(ada, charles)
})
