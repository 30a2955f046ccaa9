import * as Y from 'yjs'
import { Cell, type Readable } from '../cell'

/**
 * A root map of a document as views, one for each key. Only what an event touched is read again, so that the views of the
 * rest stay the same objects and nothing of them is drawn anew.
 */
export class Entries<T> {
  readonly views: Readable<ReadonlyMap<string, T>>
  readonly #cell: Cell<ReadonlyMap<string, T>>
  readonly #root: Y.Map<unknown>
  readonly #read: (id: string, value: unknown) => T | null

  constructor(root: Y.Map<unknown>, read: (id: string, value: unknown) => T | null) {
    this.#root = root
    this.#read = read
    this.#cell = new Cell<ReadonlyMap<string, T>>(this.#readAll())
    this.views = this.#cell
    root.observeDeep(this.#observe)
  }

  dispose(): void {
    this.#root.unobserveDeep(this.#observe)
  }

  readonly #observe = (events: Y.YEvent<Y.AbstractType<unknown>>[]): void => {
    const touched = new Set<string>()
    for (const event of events) {
      const [key] = event.path
      if (typeof key === 'string') touched.add(key)
      else event.keys.forEach((_change, id) => touched.add(id))
    }
    if (touched.size > 0) this.#cell.set(this.#readSome(touched))
  }

  #readAll(): ReadonlyMap<string, T> {
    return this.#readSome(this.#root.keys(), new Map())
  }

  #readSome(ids: Iterable<string>, known: ReadonlyMap<string, T> = this.#cell.get()): ReadonlyMap<string, T> {
    const views = new Map(known)
    for (const id of ids) {
      const value = this.#root.get(id)
      const view = value === undefined ? null : this.#read(id, value)
      if (view === null) views.delete(id)
      else views.set(id, view)
    }
    return views
  }
}

/** Entries of a document that are plain data. */
export function plainEntries<T>(doc: Y.Doc, root: string, read: (id: string, value: unknown) => T | null): Entries<T> {
  return new Entries(doc.getMap(root), (id, value) => {
    if (value instanceof Y.AbstractType) return read(id, value.toJSON())
    return typeof value === 'object' ? read(id, value) : null
  })
}
