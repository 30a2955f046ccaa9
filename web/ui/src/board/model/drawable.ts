import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { readPerson } from './people'

type State = Record<string, unknown>

/** Who says nothing of who they are. */
const NOBODY = { name: 'Somebody', color: '#626a7e' }

/**
 * Awareness as editors may draw it. They take what others show of themselves as it comes: a caret that is none stops them from
 * following the text, and a colour may be a style sheet.
 */
export function drawable(awareness: Awareness, doc: Y.Doc): Awareness {
  const getStates = () => drawableStates(awareness.getStates(), doc)
  return new Proxy(awareness, {
    get: (target, name) => {
      if (name === 'getStates') return getStates
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

function drawableStates(states: ReadonlyMap<number, State>, doc: Y.Doc): Map<number, State> {
  return new Map(
    [...states].map(([client, state]) => {
      const { name, color } = readPerson(client, state) ?? NOBODY
      return [client, { user: { name, color }, cursor: caretIn(state.cursor, doc) }]
    }),
  )
}

/** A caret with both its ends, wherever in the document they are; null if it is none. */
function caretIn(cursor: unknown, doc: Y.Doc): State | null {
  try {
    const ends = cursor as { anchor: unknown; head: unknown }
    const [anchor, head] = [ends.anchor, ends.head].map((end) => {
      const position = Y.createRelativePositionFromJSON(end)
      Y.createAbsolutePositionFromRelativePosition(position, doc)
      return position
    })
    return { anchor, head }
  } catch {
    // Others may say anything.
    return null
  }
}
