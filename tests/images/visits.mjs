// What a visitor finds at each module, and does there as its page does.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { until } from './support.mjs'

export const VISITS = {
  'jupyter-minimal': { shows: /<title>JupyterLab<\/title>/ },
  pgadmin: { shows: /<title>\s*pgAdmin 4\s*<\/title>/ },
  'ubuntu-terminal': { shows: /<title>Shell In A Box<\/title>/, use: aCommandIsTyped },
  vscode: { shows: /<meta id="vscode-workbench-web-configuration"/, use: anEditorConnects },
}

/** Types into a terminal, and reads what comes back. */
async function aCommandIsTyped(person, url) {
  const headers = { origin: new URL(url).origin, 'content-type': 'application/x-www-form-urlencoded' }
  const send = async (form) => {
    const body = new URLSearchParams({ width: 80, height: 24, rooturl: url, ...form }).toString()
    const { status, text } = await person.ask(new URL('?', url), { method: 'POST', headers, body })
    assert.equal(status, 200, text)
    return text
  }
  const { session } = JSON.parse(await send({}))
  await send({ session, keys: Buffer.from('echo $((6 * 7)) $(id -u)\r').toString('hex') })
  let screen = ''
  await until('the shell answers', 20, async () => {
    screen += JSON.parse(await send({ session })).data
    return /^42 1000\r$/m.test(screen)
  })
}

/** Of the messages between an editor and its server: what the two say to each other, not to extensions. */
const CONTROL = 2

/** Begins what an editor begins with its server, which proves itself. */
async function anEditorConnects(person, url) {
  const query = { reconnectionToken: randomUUID(), reconnection: 'false', skipWebSocketFrames: 'false' }
  const socket = await person.socket(new URL(`?${new URLSearchParams(query)}`, url))
  const words = Buffer.from(JSON.stringify({ type: 'auth', auth: '00000000000000000000', data: 'prove it' }))
  const head = Buffer.alloc(13)
  head.writeUInt8(CONTROL, 0)
  head.writeUInt32BE(words.length, 9)
  socket.send(Buffer.concat([head, words]))
  await socket.hears('"type":"sign"')
  socket.close()
}
