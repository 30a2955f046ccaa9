import * as Y from 'yjs'

/** What goes back with one undo. */
export type Step = Y.UndoManager['undoStack'][number]

/**
 * Whether others have a part in an entry of a shared map: something of another client is in it. Undo writes anew, in this
 * client's name, what it brings back; what that was first stays where it was, and knows that it was done again.
 */
export function holdsOthers(root: Y.Map<unknown>, key: string, own: number): boolean {
  const ahead: Iterable<Y.Item>[] = [pastOf(root._map.get(key))]
  for (let items = ahead.pop(); items !== undefined; items = ahead.pop()) {
    for (const item of items) {
      if (item.id.client !== own && (!item.deleted || item.redone !== null)) return true
      if (item.content instanceof Y.ContentType) ahead.push(within(item.content.type))
    }
  }
  return false
}

/** The keys of entries that are there, and were made by a step of undo or brought back since it made them. */
export function madeBy(step: Step, root: Y.Map<unknown>): string[] {
  const isMade = (key: string) => [...pastOf(root._map.get(key))].some((item) => Y.isDeleted(step.insertions, item.id))
  return [...root.keys()].filter(isMade)
}

/** The root map that something stands in, however deep, and under which key. */
export function entryOf(item: Y.Item): [root: unknown, key: string] {
  const { _item: parent } = item.parent as Y.AbstractType<unknown>
  return parent === null ? [item.parent, item.parentSub ?? ''] : entryOf(parent)
}

function* within(type: Y.AbstractType<unknown>): Iterable<Y.Item> {
  for (let item = type._start; item !== null; item = item.right) yield item
  for (const item of type._map.values()) yield* pastOf(item)
}

/** A value of a map, and those before it under the same key. */
function* pastOf(value: Y.Item | null | undefined): Iterable<Y.Item> {
  for (let item = value ?? null; item !== null; item = item.left) yield item
}
