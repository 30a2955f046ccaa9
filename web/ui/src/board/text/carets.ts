import type { Awareness } from 'y-protocols/awareness'

type Listener = (...args: unknown[]) => void

/**
 * Awareness for editors of text. Everybody's pointer moves twenty times a second, and each change would make every editor
 * look for carets anew: this one tells them of changes of carets only.
 */
export function caretAwareness(awareness: Awareness): Awareness {
  const listeners = new Map<Listener, Listener>()
  const carets = () =>
    JSON.stringify([...awareness.getStates()].map(([client, state]) => [client, state.cursor as unknown]))
  return new Proxy(awareness, {
    get(target, name) {
      if (name === 'on') return (event: string, listener: Listener) => target.on(event, filtered(listener))
      if (name === 'off') return (event: string, listener: Listener) => target.off(event, filtered(listener))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as Listener).bind(target) : value
    },
  })

  function filtered(listener: Listener): Listener {
    let last = carets()
    const known = listeners.get(listener)
    if (known !== undefined) return known
    const filter: Listener = (...args) => {
      const now = carets()
      if (now === last) return
      last = now
      listener(...args)
    }
    listeners.set(listener, filter)
    return filter
  }
}
