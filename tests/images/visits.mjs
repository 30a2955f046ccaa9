// What a visitor finds at each module, does there as its page does, and does again once it has been restarted.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Browser, until } from './support.mjs'

export const VISITS = {
  'jupyter-minimal': { shows: /<title>JupyterLab<\/title>/ },
  'jupyter-pytorch': { shows: /<title>JupyterLab<\/title>/, use: aNetworkLearns },
  n8n: { shows: /<title>n8n\.io - Workflow Automation<\/title>/, use: aWorkflowIsMade, again: aWorkflowAnswers },
  pgadmin: { shows: /<title>\s*pgAdmin 4\s*<\/title>/ },
  'ubuntu-terminal': { shows: /<title>Shell In A Box<\/title>/, use: aCommandIsTyped },
  vscode: { shows: /<meta id="vscode-workbench-web-configuration"/, use: anEditorConnects },
}

/** One neuron finds out what doubling is. */
const LEARNING = `
import torch
torch.manual_seed(0)
x = torch.linspace(-1, 1, 20).unsqueeze(1)
net = torch.nn.Linear(1, 1)
steps = torch.optim.SGD(net.parameters(), lr=0.5)
for _ in range(200):
    steps.zero_grad()
    torch.nn.functional.mse_loss(net(x), 2 * x).backward()
    steps.step()
print('learned', round(net.weight.item(), 3))
`

/** Starts a kernel as a notebook does, and has it train something. */
async function aNetworkLearns(person, url) {
  const headers = { origin: new URL(url).origin, 'x-xsrftoken': person.cookie(url, '_xsrf') }
  const kernels = new URL('api/kernels', url)
  const { status, text } = await person.ask(kernels, { method: 'POST', headers, body: { name: 'python3' } })
  assert.equal(status, 201, text)
  const socket = await person.socket(new URL(`api/kernels/${JSON.parse(text).id}/channels`, url))
  const header = {
    msg_id: randomUUID(),
    msg_type: 'execute_request',
    session: randomUUID(),
    username: '',
    version: '5.3',
  }
  const content = { code: LEARNING, silent: false, store_history: false, user_expressions: {}, allow_stdin: false }
  const message = { channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: [] }
  socket.send(JSON.stringify(message))
  await until('it has learned', 240, () => socket.heard('learned 2.0'))
  socket.close()
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

/** What a webhook is asked is computed, and answered to whoever asks. */
const WORKFLOW = {
  name: 'The answer',
  active: false,
  settings: {},
  nodes: [
    {
      id: randomUUID(),
      name: 'Asked',
      type: 'n8n-nodes-base.webhook',
      typeVersion: 2,
      position: [0, 0],
      webhookId: randomUUID(),
      parameters: { path: 'answer', responseMode: 'lastNode', options: {} },
    },
    {
      id: randomUUID(),
      name: 'Computed',
      type: 'n8n-nodes-base.code',
      typeVersion: 2,
      position: [200, 0],
      parameters: { jsCode: 'return [{ json: { answer: 6 * 7 } }]' },
    },
  ],
  connections: { Asked: { main: [[{ node: 'Computed', type: 'main', index: 0 }]] } },
}

async function askN8n(person, url, method, path, body) {
  const headers = { origin: new URL(url).origin }
  const { status, text } = await person.ask(new URL(path, url), { method, headers, body })
  assert.equal(status, 200, `${method} ${path}: ${text}`)
  return JSON.parse(text).data
}

/** Makes a workflow without signing in to n8n, and lets a stranger use it. */
async function aWorkflowIsMade(person, url) {
  const ask = (...words) => askN8n(person, url, ...words)
  const { id, versionId } = await ask('POST', 'rest/workflows', WORKFLOW)

  const socket = await person.socket(new URL('rest/push?pushRef=visit', url))
  // What comes while n8n still looks at who this is, it does not hear.
  await until('n8n says who is there', 20, () => {
    socket.send(JSON.stringify({ type: 'workflowOpened', workflowId: id }))
    return socket.heard('collaboratorsChanged')
  })
  socket.close()

  await ask('POST', `rest/workflows/${id}/activate`, { versionId })
  await aWorkflowAnswers(person, url)
  await ask('POST', 'rest/logout')
  await ask('GET', 'rest/login') // refused where the session has ended
}

/** Asks it as a stranger, at the address that n8n shows for that. */
async function aWorkflowAnswers(person, url) {
  const { urlBaseWebhook, endpointWebhook } = await askN8n(person, url, 'GET', 'rest/settings')
  const stranger = new Browser()
  // What computes is a program of its own, which n8n starts last, and anew for as long as it comes too late.
  const answer = await until('the workflow answers', 240, async () => {
    const { status, text } = await stranger.ask(new URL(`${endpointWebhook}/answer`, urlBaseWebhook))
    return status === 200 && text
  })
  assert.equal(answer, '{"answer":42}')
  assert.equal((await stranger.ask(new URL('rest/workflows', url))).status, 401, 'the rest is for members')
}
