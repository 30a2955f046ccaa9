import { Fragment, type Attrs, type Node } from 'prosemirror-model'
import * as Y from 'yjs'
import { schema } from './schema'

/**
 * Whether the editor takes a text as it is. Other clients write what they like, later versions what this one does not know:
 * the editor deletes some of that, for everybody, and breaks at the rest.
 */
export function takes(text: Y.XmlFragment): boolean {
  try {
    const blocks = childrenOf(text)
    return blocks.length === 0 || schema.topNodeType.validContent(Fragment.from(blocks))
  } catch {
    return false
  }
}

function childrenOf(parent: Y.XmlFragment): Node[] {
  return parent.toArray().flatMap((part: unknown) => {
    if (part instanceof Y.XmlElement) return elementOf(part as Y.XmlElement)
    if (part instanceof Y.XmlText) return wordsOf(part)
    throw new TypeError('a text has elements and words in it')
  })
}

function elementOf(element: Y.XmlElement): Node[] {
  const inside = childrenOf(element)
  // Two people emptied it at once: it goes, and nobody loses anything.
  if (inside.length === 0 && schema.nodes[element.nodeName]?.validContent(Fragment.empty) === false) return []
  return [schema.node(element.nodeName, element.getAttributes(), inside)]
}

function wordsOf(text: Y.XmlText): Node[] {
  const delta = text.toDelta() as { insert: unknown; attributes?: Record<string, Attrs> }[]
  return delta.map(({ insert, attributes = {} }) => {
    if (typeof insert !== 'string') throw new TypeError('words are no pictures')
    const marks = Object.entries(attributes).map(([name, attrs]) => schema.mark(name, attrs))
    return schema.text(insert, marks)
  })
}
