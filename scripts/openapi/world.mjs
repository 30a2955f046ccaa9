// Everything that generated requests may be about, at the server that is the argument: people, organizations, projects, and
// a gateway process, which is played for as long as this runs. Prints it all as one line of JSON, once it is there.
import { createServer } from 'node:http'

const [url] = process.argv.slice(2)
// Brief next to the lease, and to how long a gateway may be silent.
const everyMs = 2_000
// Generated requests start organizations of their own.
const many = 200
const person = { email: 'first@example.org', password: 'correct horse battery', name: 'First' }
const served = new Map()
let cookie = ''

async function post(path, body, shown = { origin: url, cookie }) {
  const headers = { 'content-type': 'application/json', ...shown }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie
  return response.json()
}

const bearer = (token) => ({ authorization: `Bearer ${token}` })
const asGateway = ({ token, epoch }) => ({ ...bearer(token), 'orrery-epoch': String(epoch) })

async function org(name) {
  const id = (await post('/api/orgs', { name })).org.id
  const project = (await post(`/api/orgs/${id}/projects`, { name })).project.id
  return { id, project }
}

const start = ({ id }) => post('/gateway/start', { organization_id: id })

// A gateway process: what Ganymede orders, it does, and keeps what it is told.
async function gateway(slots) {
  const { gateway_id, token } = await post('/api/pool/gateways', {})
  const obey = async (request) => {
    const chunks = await request.toArray()
    const { organization_id, handshake } = JSON.parse(Buffer.concat(chunks).toString() || '{}')
    if (request.url !== '/collab/start') return {}
    const { gateway_token, epoch } = await post('/gateway/config', { handshake }, bearer(token))
    served.set(organization_id, { token: gateway_token, epoch })
    return { organization_id, epoch }
  }
  const server = createServer(async (request, response) => {
    // Who asked may have gone, and the organization with them.
    const [status, answer] = await obey(request).then(
      (done) => [200, done],
      (error) => [503, { error: String(error) }],
    )
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const listen = `127.0.0.1:${server.address().port}`
  const announce = () => post('/gateway/ready', { gateway_id, slots, listen }, bearer(token))
  await announce()
  setInterval(announce, everyMs)
  return { id: gateway_id, token, ready: { gateway_id, slots, listen } }
}

await post('/api/auth/signup', person)
const { key } = await post('/api/api-keys', { name: 'generated requests' })
// The slots of the server itself are taken by the first two, so that the others come to us.
const [here, other] = [await org('Here'), await org('Other')]
await start(here)
await start(other)
const first = await gateway(many)
const [there, left] = [await org('There'), await org('Left')]
await start(there)
await start(left)
const serving = served.get(there.id)
const stopped = served.get(left.id)
await post('/gateway/stop', { organization_id: left.id }, asGateway(stopped))
setInterval(() => post('/gateway/lease', {}, asGateway(serving)), everyMs)
// One that says itself that it is ready, in generated requests.
const spare = await gateway(1)
const orgs = [here, other, there, left]
console.log(JSON.stringify({ url, person, key, here, there, left, orgs, serving, stopped, gateway: first, spare }))
