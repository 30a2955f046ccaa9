import { defaultDeleteFilter, ySyncPluginKey } from 'y-prosemirror'
import * as Y from 'yjs'

const histories = new WeakMap<Y.XmlFragment, Y.UndoManager>()

/**
 * What was written here in a text, to be undone: it outlives the editor, which goes when the text is left. What the editor
 * listens to ends with the editor. One's own nodes of the kinds in `kept` stay as long as others have written in them.
 */
export function historyOf(text: Y.XmlFragment, kept: Set<string>): Y.UndoManager {
  const history = histories.get(text) ?? makeHistory(text, kept)
  histories.set(text, history)
  // Each visit is a step of its own.
  history.stopCapturing()
  const borrowed: Parameters<Y.UndoManager['on']>[] = []
  return new Proxy(history, {
    get(target, name) {
      if (name === 'on') {
        return (...args: Parameters<Y.UndoManager['on']>) => {
          borrowed.push(args)
          target.on(...args)
        }
      }
      if (name === 'destroy') return () => borrowed.splice(0).forEach((args) => target.off(...args))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

function makeHistory(text: Y.XmlFragment, kept: Set<string>): Y.UndoManager {
  return new Y.UndoManager(text, {
    trackedOrigins: new Set([ySyncPluginKey]),
    deleteFilter: (item) => defaultDeleteFilter(item, kept),
    captureTransaction: (transaction) => transaction.meta.get('addToHistory') !== false,
  })
}
