// Signs up at the server that is the argument, fills it with something to find, and prints an API key.
const [url] = process.argv.slice(2)
let cookie = ''

async function post(path, body) {
  const headers = { 'content-type': 'application/json', origin: url, cookie }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie
  return response.json()
}

await post('/api/auth/signup', { email: 'first@example.org', password: 'correct horse battery', name: 'First' })
const { org } = await post('/api/orgs', { name: 'First' })
await post(`/api/orgs/${org.id}/projects`, { name: 'First' })
const { key } = await post('/api/api-keys', { name: 'generated requests' })
console.log(key)
