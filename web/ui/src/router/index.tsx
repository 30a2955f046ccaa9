// A router for a handful of pages: the browser's own history, and nothing else.

import { useSyncExternalStore, type ComponentProps, type MouseEvent } from 'react'
import { pageAt, type Page } from './paths'

export { pageAt, paths, safeReturn, type Page } from './paths'

const moved = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  moved.add(listener)
  window.addEventListener('popstate', listener)
  return () => {
    moved.delete(listener)
    window.removeEventListener('popstate', listener)
  }
}

/** Goes to a page. A path that is none of ours, such as the sign-in gate, is loaded from Orrery. */
export function navigate(to: string, { replace = false } = {}): void {
  if (pageAt(new URL(to, location.origin).pathname).name === 'unknown') {
    if (replace) location.replace(to)
    else location.assign(to)
    return
  }
  if (replace) history.replaceState(null, '', to)
  else history.pushState(null, '', to)
  window.scrollTo(0, 0)
  moved.forEach((listener) => listener())
}

/** Path and query, as they are now. */
export function useLocation(): { path: string; search: string } {
  const path = useSyncExternalStore(subscribe, () => location.pathname)
  const search = useSyncExternalStore(subscribe, () => location.search)
  return { path, search }
}

export function usePage(): Page {
  return pageAt(useLocation().path)
}

export interface LinkProps extends Omit<ComponentProps<'a'>, 'href'> {
  to: string
}

/** A link that stays within the client, unless the reader asks for a new tab or window. */
export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0
    if (event.defaultPrevented || elsewhere || rest.target === '_blank') return
    event.preventDefault()
    navigate(to)
  }
  return <a {...rest} href={to} onClick={follow} />
}
