// Notes are text at rest and editors while somebody is in them: entered where one points, left without a trace.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { photograph, stories } from './support.mjs'
import { addNote, goodbye, note, reads, says, team } from './team.mjs'

const here = stories({ slots: 12 })

const shared = (role) => team(here, role)

const atRest = (page) => page.waitForFunction(() => document.querySelector('.ProseMirror') === null)
const isEntered = (page) => page.locator('.ProseMirror-focused').waitFor()
const caret = (page, { name }) => page.locator('.remote-name', { hasText: name })

/** Where this stands in the text of the note, on the screen: from its first letter to after its last. */
const place = (page, words) =>
  page.evaluate((words) => {
    const texts = document.createTreeWalker(document.querySelector('.note-text'), NodeFilter.SHOW_TEXT)
    while (texts.nextNode()) {
      const at = texts.currentNode.data.indexOf(words)
      if (at < 0) continue
      const range = document.createRange()
      range.setStart(texts.currentNode, at)
      range.setEnd(texts.currentNode, at + words.length)
      const { left, right, top, height } = range.getBoundingClientRect()
      return { left, right, middle: top + height / 2 }
    }
    throw new Error(`nowhere: ${words}`)
  }, words)

test('a note at rest is entered where one points, by hand and by key, and undo remembers', async () => {
  const { ada, charles } = await shared()
  const { page } = ada
  await addNote(page, '## Plan\none two three')
  await page.keyboard.press('Escape')
  await atRest(page)
  assert.equal(await note(page).locator('h2').innerText(), 'Plan')

  const two = await place(page, 'two')
  await page.mouse.click(two.left + 1, two.middle)
  await isEntered(page)
  await page.keyboard.type('and ')
  await reads(charles.page, 'Planone and two three')

  // One stroke of the hand enters, and selects what it moves over.
  await page.keyboard.press('Escape')
  await atRest(page)
  const three = await place(page, 'three')
  await page.mouse.move(three.left + 1, three.middle)
  await page.mouse.down()
  await page.mouse.move(three.left + 9, three.middle)
  await page.mouse.move(three.right + 1, three.middle)
  await page.mouse.up()
  await isEntered(page)
  await page.keyboard.insertText('four')
  await reads(charles.page, 'Planone and two four')
  await says(page, 'saved')

  // By key, from the note itself: the caret is behind everything.
  await page.keyboard.press('Escape')
  await atRest(page)
  await page.keyboard.press('Enter')
  await isEntered(page)
  await page.keyboard.insertText(' five')
  await reads(charles.page, 'Planone and two four five')

  // What was written before it was left can still be taken back.
  await page.keyboard.press('Escape')
  await atRest(page)
  await page.keyboard.press('Enter')
  await isEntered(page)
  for (const rest of ['Planone and two four', 'Planone and two three']) {
    await page.keyboard.press('Control+z')
    await reads(charles.page, rest)
  }
  await page.keyboard.press('Control+Shift+z')
  await reads(charles.page, 'Planone and two four')
  ada.quiet()
  charles.quiet()
  await goodbye(ada, charles)
})

test('keys that are held while one writes are the text’s, and so is the hand', async () => {
  const { ada, charles } = await shared()
  const { page } = ada
  await addNote(page, '')
  await page.keyboard.down('Shift')
  for (const key of ['A', 'Space', 'B', 'Space', 'C', 'Space', 'D']) await page.keyboard.press(key)
  await page.keyboard.up('Shift')
  await reads(charles.page, 'A B C D')

  const from = await place(page, 'B')
  await page.mouse.click(from.left + 1, from.middle)
  await page.keyboard.down('Shift')
  await page.mouse.click((await place(page, 'D')).left + 1, from.middle)
  await page.keyboard.up('Shift')
  await page.keyboard.type('to ')
  await reads(charles.page, 'A to D')

  // Keys at a control of the note are the control's, though the note is selected.
  await page.keyboard.press('Escape')
  await atRest(page)
  await page.keyboard.press('Enter')
  const note = page.locator('.react-flow__node')
  const before = await note.boundingBox()
  const colour = page.getByRole('button', { name: 'Colour', exact: true })
  await colour.focus()
  await page.keyboard.press('Backspace')
  await page.keyboard.press('ArrowDown')
  await page.getByRole('menuitemradio', { name: 'Brass' }).waitFor()
  await page.keyboard.press('Escape')
  assert.deepEqual(await note.boundingBox(), before)
  assert.equal(await page.getByRole('dialog').count(), 0)
  ada.quiet()
  await goodbye(ada, charles)
})

test('those who only look on see who writes in a note, and keep their own caret when that one leaves', async () => {
  const { ada, charles } = await shared()
  await addNote(ada.page, 'engine')
  await caret(charles.page, ada).waitFor({ state: 'attached' })
  await ada.page.keyboard.press('Escape')
  await atRest(charles.page)

  // Now Charles is in a note of his own while Ada goes in and out of hers.
  await addNote(charles.page, 'mill')
  await caret(ada.page, charles).waitFor({ state: 'attached' })
  await note(ada.page).getByText('engine').click()
  await caret(charles.page, ada).waitFor({ state: 'attached' })
  await ada.page.keyboard.press('Escape')
  await caret(charles.page, ada).waitFor({ state: 'detached' })
  await charles.page.waitForFunction(() => document.querySelectorAll('.ProseMirror').length === 1)
  await charles.page.keyboard.type('stone')
  await note(ada.page).getByText('millstone').waitFor()
  await caret(ada.page, charles).waitFor({ state: 'attached' })
  await goodbye(ada, charles)
})

test('those who only read get to the end of a long note', async () => {
  const { ada, charles } = await shared('viewer')
  await addNote(ada.page, '')
  await ada.page.keyboard.insertText(`${'notes upon the memoir '.repeat(200)}the end`)
  await says(ada.page, 'saved')
  await ada.page.keyboard.press('Escape')
  await atRest(charles.page)
  const text = note(charles.page)
  await text.getByText('notes upon').waitFor()
  assert.ok(!(await text.innerText()).includes('the end'), 'at rest there is what fits')
  await photograph(charles.page, 'board-note-long', [1280])
  await text.click()
  await charles.page.keyboard.press('End')
  await charles.page.waitForFunction(() => {
    const text = document.querySelector('.note-text')
    const { bottom } = text.parentElement.getBoundingClientRect()
    return text.textContent.endsWith('the end') && text.getBoundingClientRect().bottom <= bottom + 1
  })
  assert.equal(await text.getAttribute('contenteditable'), 'false')
  charles.quiet()
  await goodbye(ada, charles)
})
