import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { Cell } from '../cell'
import { drawable } from '../model/drawable'

type Listener = (...args: unknown[]) => void

/**
 * Where people write in the texts of a board. Everybody's pointer moves twenty times a second, and each change would make
 * every editor look for carets anew: from here they hear of changes of carets only.
 */
export class Carets {
  /** The texts in which others have their caret. */
  readonly occupied = new Cell<ReadonlySet<unknown>>(new Set())
  readonly #awareness: Awareness
  readonly #doc: Y.Doc
  readonly #listeners = new Set<Listener>()
  /** The text in which the own caret is. */
  #own: Y.XmlFragment | null = null
  #last = ''
  /** Carets come at once, what they stand in comes when it is saved. */
  #early = false

  constructor(awareness: Awareness, doc: Y.Doc) {
    this.#awareness = awareness
    this.#doc = doc
    awareness.on('change', this.#changed)
    doc.on('update', this.#grown)
    this.#changed()
  }

  dispose(): void {
    this.#awareness.off('change', this.#changed)
    this.#doc.off('update', this.#grown)
    this.#listeners.clear()
  }

  /** Awareness for an editor of this text. One that closes takes no caret away but its own. */
  of(text: Y.XmlFragment): Awareness {
    const setField = (field: string, value: unknown) => {
      if (field === 'cursor') {
        if (value === null && this.#own !== text) return
        this.#own = value === null ? null : text
      }
      this.#awareness.setLocalStateField(field, value)
    }
    return new Proxy(drawable(this.#awareness, this.#doc), {
      get: (target, name) => {
        if (name === 'on') return (_event: 'change', listener: Listener) => this.#listeners.add(listener)
        if (name === 'off') return (_event: 'change', listener: Listener) => this.#listeners.delete(listener)
        if (name === 'setLocalStateField') return setField
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value as Listener).bind(target) : value
      },
    })
  }

  readonly #changed = (...args: unknown[]): void => {
    const others = [...this.#awareness.getStates()].filter(([client]) => client !== this.#awareness.clientID)
    const carets = others.flatMap(([client, state]) => (state.cursor ? [[client, state.cursor as unknown]] : []))
    const now = JSON.stringify(carets)
    if (now === this.#last) return
    this.#last = now
    this.#look(carets.map(([, caret]) => caret))
    for (const listener of [...this.#listeners]) listener(...args)
  }

  readonly #grown = (): void => {
    if (!this.#early) return
    this.#last = ''
    this.#changed()
  }

  #look(carets: unknown[]): void {
    const texts = carets.map((caret) => textAround(caret, this.#doc))
    this.#early = texts.includes(null)
    const occupied = new Set(texts.filter((text) => text !== null))
    const before = this.occupied.get()
    if (occupied.size !== before.size || [...occupied].some((text) => !before.has(text))) this.occupied.set(occupied)
  }
}

/** The text in which a caret stands; null if it is not here, or was never one. */
function textAround(caret: unknown, doc: Y.Doc): Y.XmlFragment | null {
  try {
    const position = Y.createRelativePositionFromJSON((caret as { anchor: unknown }).anchor)
    let type: unknown = Y.createAbsolutePositionFromRelativePosition(position, doc)?.type
    while (type instanceof Y.AbstractType) {
      if (type instanceof Y.XmlFragment && !(type instanceof Y.XmlElement)) return type
      type = type.parent
    }
  } catch {
    // Others may say anything.
  }
  return null
}
