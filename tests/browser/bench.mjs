// How soon a board of 1 MB is there: in a browser that has nothing of us yet, and in one that was there before. No test: it
// judges nothing.
//
//   node tests/browser/bench.mjs [RUNS]
//
// Times are in milliseconds since the browser began to go to the page. `synced` is when the page says that board and containers
// are in step with the gateway, `shown` when the text of its notes is on the screen.
import { createRequire } from 'node:module'
import { browser, computer, orrery, person } from './support.mjs'

// One copy of Yjs, whoever asks for it.
const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
const WebSocket = require('ws')
const { WebsocketProvider } = require('y-websocket')

const RUNS = Number(process.argv[2] ?? 10)
const NOTES = 250
const NOTE_CHARS = 4_000
const COLUMNS = 25
const PATIENCE_MS = 120_000

/** A board as people leave it behind, only larger. */
function draw(doc) {
  const nodes = doc.getMap('nodes')
  for (let number = 0; number < NOTES; number += 1) {
    const text = new Y.XmlFragment()
    const paragraph = new Y.XmlElement('paragraph')
    paragraph.insert(0, [new Y.XmlText(`${number}: ${'notes upon the memoir '.repeat(NOTE_CHARS / 22)}`)])
    text.insert(0, [paragraph])
    const [x, y] = [(number % COLUMNS) * 300, Math.floor(number / COLUMNS) * 220]
    const fields = { type: 'note', x, y, width: 240, height: 160, color: 'brass', text }
    nodes.set(`note-${number}`, new Y.Map(Object.entries(fields)))
  }
}

/** Waits until something is so. */
function until(what, isSo) {
  return new Promise((resolve, reject) => {
    const look = setInterval(() => isSo() && finish(resolve), 20)
    const late = setTimeout(() => finish(() => reject(new Error(`never: ${what}`))), PATIENCE_MS)
    const finish = (end) => {
      clearInterval(look)
      clearTimeout(late)
      end()
    }
  })
}

/** Draws the board of a project, and waits until somebody else would find all of it. */
async function fill({ api }, project) {
  const { gateway } = await api('POST', `/projects/${project.id}/start`, {})
  const { access_token: token } = await api('POST', '/api/auth/token', {})
  const join = () => {
    const options = { params: { token }, WebSocketPolyfill: WebSocket, disableBc: true }
    return new WebsocketProvider(`${gateway.ws_url}/${project.id}`, 'board', new Y.Doc(), options)
  }
  const [writer, reader] = [join(), join()]
  await until('both are in step', () => writer.synced && reader.synced)
  draw(writer.doc)
  await until('the reader has all', () => reader.doc.getMap('nodes').size === NOTES)
  const bytes = Y.encodeStateAsUpdate(reader.doc).length
  for (const client of [writer, reader]) {
    client.destroy()
    // Else the process stays, to renew who is here.
    client.doc.destroy()
  }
  return bytes
}

/** In the page, before anything of ours runs: notes when what is first there. */
function watch() {
  const seen = (globalThis.seen = {})
  const look = () => {
    if (document.querySelector('[data-status=live], [data-status=saved]')) seen.synced ??= performance.now()
    if (!seen.drawn && document.querySelector('.react-flow__node .note-text')?.textContent) {
      seen.drawn = true
      // In the document; on the screen once the frame is over.
      requestAnimationFrame(() => setTimeout(() => (seen.shown = performance.now())))
    }
    if (seen.synced && seen.drawn) observer.disconnect()
  }
  const observer = new MutationObserver(look)
  observer.observe(document, { childList: true, subtree: true, attributeFilter: ['data-status'] })
}

/** Opens the board in a page of its own. */
async function open(context, path) {
  const page = await context.newPage()
  await page.goto(path)
  await page.waitForFunction(() => globalThis.seen.synced && globalThis.seen.shown)
  const { seen } = await page.evaluate(() => ({ seen: globalThis.seen }))
  await page.close()
  return seen
}

function say(what, all) {
  const column = (name) => {
    const times = all.map((seen) => seen[name]).sort((a, b) => a - b)
    const at = (part) => times[Math.ceil(times.length * part) - 1].toFixed(0)
    return `${name} p50 ${at(0.5)}, most ${at(1)}`
  }
  console.log(`${what.padEnd(24)} ${column('synced')}; ${column('shown')}`)
}

const installation = await orrery()
const chromium = await browser()
try {
  const ada = await person(chromium, installation.url, 'Ada Lovelace')
  const { org } = await ada.api('POST', '/api/orgs', { name: 'Analytical Engines' })
  const { project } = await ada.api('POST', `/api/orgs/${org.id}/projects`, { name: 'Bernoulli numbers' })
  const bytes = await fill(ada, project)
  console.log(`${NOTES} notes, ${bytes} bytes, ${RUNS} times`)
  const storageState = await ada.context.storageState()
  await ada.context.close()

  const path = `/projects/${project.id}/board`
  const [first, again] = [[], []]
  for (let run = 0; run < RUNS; run += 1) {
    // Signed in, and nothing else.
    const context = await computer(chromium, installation.url, { storageState })
    context.setDefaultTimeout(PATIENCE_MS)
    await context.addInitScript(watch)
    first.push(await open(context, path))
    again.push(await open(context, path))
    await context.close()
  }
  say('an empty browser', first)
  say('one that was there', again)
} finally {
  await chromium.close()
  await installation.stop()
}
