// The pages and their paths. `web/src/ui.rs` answers exactly these with the client.

export type Page =
  | { name: 'home' }
  | { name: 'sign-in' }
  | { name: 'sign-up' }
  | { name: 'org'; org: string }
  | { name: 'members'; org: string }
  | { name: 'board'; project: string }
  | { name: 'account' }
  | { name: 'pool' }
  | { name: 'unknown' }

export const paths = {
  home: () => '/',
  signIn: (back?: string) => withReturn('/sign-in', back),
  signUp: (back?: string) => withReturn('/sign-up', back),
  org: (org: string) => `/orgs/${org}`,
  members: (org: string) => `/orgs/${org}/members`,
  board: (project: string) => `/projects/${project}/board`,
  account: () => '/account',
  pool: () => '/pool',
}

function withReturn(path: string, back = '/'): string {
  return back === '/' ? path : `${path}?return=${encodeURIComponent(back)}`
}

/** The page at a path, without query and fragment. */
export function pageAt(path: string): Page {
  const parts = path.split('/').filter((part) => part !== '')
  const [first, second, third] = parts
  switch (`${parts.length} ${first ?? ''}`) {
    case '0 ':
      return { name: 'home' }
    case '1 sign-in':
    case '1 sign-up':
    case '1 account':
    case '1 pool':
      return { name: first as 'sign-in' | 'sign-up' | 'account' | 'pool' }
    case '2 orgs':
      return { name: 'org', org: second ?? '' }
    case '3 orgs':
      return third === 'members' ? { name: 'members', org: second ?? '' } : { name: 'unknown' }
    case '3 projects':
      return third === 'board' ? { name: 'board', project: second ?? '' } : { name: 'unknown' }
    default:
      return { name: 'unknown' }
  }
}

/** Where to go after signing in: a path of this origin, never another address. */
export function safeReturn(search: string, origin: string): string {
  const wanted = wantedReturn(search)
  if (!isPath(wanted)) return '/'
  try {
    const url = new URL(wanted, origin)
    const path = url.pathname + url.search + url.hash
    // `/.//host` is a path, and what is left of it without its dots is not.
    return url.origin === origin && isPath(path) ? path : '/'
  } catch {
    return '/'
  }
}

/** Browsers read `//host` and `/\host` as another host. */
function isPath(text: string): boolean {
  return /^\/(?![/\\])/.test(text)
}

/** The gate writes its own path and query as they are, after everything else: then all that follows belongs to it. */
function wantedReturn(search: string): string {
  const [, asItIs] = /^\?return=(\/.*)$/s.exec(search) ?? []
  return asItIs ?? new URLSearchParams(search).get('return') ?? '/'
}
