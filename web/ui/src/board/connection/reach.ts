import type { Gateway } from './access'

/**
 * Where the page reaches an organization's gateway: by path, on its own origin. A page may connect to no other (`connect-src
 * 'self'`), and the organization's own host, which the API tells to other clients, is another wherever there is a domain.
 */
export function gatewayOf(org: string, origin: string): Gateway {
  const gateway_url = `${origin}/-/gw/org-${org}`
  return { gateway_url, ws_url: `${gateway_url.replace(/^http/, 'ws')}/collab` }
}
