// The network as somebody outside sees it: names come from the installation's own name server, certificates are those that
// were given to it, and cookies stay where they belong.
import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import http from 'node:http'
import https from 'node:https'

export class Network {
  /** `dns` is the name server's port on this machine; `certificates` says which are to be trusted now. */
  constructor(dns, certificates) {
    this.resolver = new Resolver({ timeout: 2_000, tries: 2 })
    this.resolver.setServers([`127.0.0.1:${dns}`])
    this.certificates = certificates
    this.cookies = new Map()
  }

  /** What any client takes for TLS on this network. */
  options() {
    const lookup = (host, { all }, found) =>
      this.resolver.resolve4(host).then(
        ([address]) => (all ? found(null, [{ address, family: 4 }]) : found(null, address, 4)),
        (error) => found(error),
      )
    return { lookup, ca: this.certificates() }
  }

  /** One request, with the cookies of its host. Redirects are answers. */
  async ask(method, url, { headers = {}, body } = {}) {
    const { host, origin, protocol } = new URL(url)
    const { request } = protocol === 'https:' ? https : http
    const jar = this.cookies.get(host) ?? new Map()
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const sent = { ...headers, ...(cookie && { cookie }), ...(method !== 'GET' && { origin, ...json }) }
    const answer = await new Promise((answered, failed) => {
      const asked = request(url, { method, headers: sent, agent: false, ...this.options() }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part) => (text += part))
        response.on('end', () => answered({ status: response.statusCode, headers: response.headers, text }))
        response.on('error', failed)
      })
      asked.on('error', failed).end(body === undefined ? undefined : JSON.stringify(body))
    })
    for (const set of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = set.match(/^([^=]+)=([^;]*)/)
      jar.set(name, value)
    }
    this.cookies.set(host, jar)
    return answer
  }

  /** What the API answers. Anything but success is a failure of the test. */
  async api(method, url, body, bearer) {
    const headers = bearer ? { authorization: `Bearer ${bearer}` } : {}
    const { status, text } = await this.ask(method, url, { headers, body })
    assert.ok(status < 300, `${method} ${url}: ${status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** Goes to a page as a browser does, from redirect to redirect. */
  async visit(url) {
    for (let hops = 0; hops < 10; hops++) {
      const answer = await this.ask('GET', url, { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } })
      if (answer.status < 300 || answer.status > 399) return { ...answer, url }
      url = new URL(answer.headers.location, url).href
    }
    return assert.fail(`${url} leads on and on`)
  }
}

const json = { 'content-type': 'application/json' }
