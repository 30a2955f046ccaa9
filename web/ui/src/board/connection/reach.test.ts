import { expect, test } from 'vitest'
import { gatewayOf } from './reach'

const org = '018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f'

function check(origin: string, http: string, ws: string): void {
  expect(gatewayOf(org, origin)).toEqual({ gateway_url: http, ws_url: ws })
}

test('a gateway is reached on the origin of the page, whatever the domain', () => {
  check('http://127.0.0.1:7000', `http://127.0.0.1:7000/-/gw/org-${org}`, `ws://127.0.0.1:7000/-/gw/org-${org}/collab`)
  check('https://team.example', `https://team.example/-/gw/org-${org}`, `wss://team.example/-/gw/org-${org}/collab`)
  check('http://http.example', `http://http.example/-/gw/org-${org}`, `ws://http.example/-/gw/org-${org}/collab`)
})
