import { createElement, Fragment, type ReactNode } from 'react'
import * as Y from 'yjs'
import { safeAddress } from './address'

/** No letter is narrower, and no line lower, in pixels. */
const NARROWEST = 4
const LOWEST = 20
/** What an empty line takes of the room. */
const LINE = 20
/** Deeper than this nobody reads, and no browser draws. */
const DEEPEST = 40

/** How many letters are still to be drawn. */
interface Room {
  left: number
}

/**
 * A text as the editor draws it, without an editor, and as much of it as there is room for, in letters. Of what this version
 * does not know the words are shown.
 */
export function still(text: Y.XmlFragment, letters: number): ReactNode {
  const blocks = drawnAll(text, 0, { left: letters })
  return blocks.length === 0 ? <p>{filled(blocks)}</p> : blocks
}

/** So many letters fill a note of this size, however narrow they are. */
export function lettersIn({ width, height }: { width: number; height: number }): number {
  return Math.ceil((width / NARROWEST) * (height / LOWEST))
}

type Part = ReturnType<Y.XmlFragment['toArray']>[number]

function drawnAll(parent: Y.XmlFragment, depth: number, room: Room): ReactNode[] {
  const all: ReactNode[] = []
  for (const part of parent.toArray()) {
    if (room.left <= 0 || depth > DEEPEST) break
    all.push(drawn(part, all.length, depth, room))
  }
  return all
}

function drawn(part: Part, key: number, depth: number, room: Room): ReactNode {
  if (part instanceof Y.XmlText) return <Fragment key={key}>{runs(part, room)}</Fragment>
  if (!(part instanceof Y.XmlElement)) return null
  if (part.length === 0) room.left -= LINE
  const inside = drawnAll(part, depth + 1, room)
  switch (part.nodeName) {
    case 'paragraph':
      return <p key={key}>{filled(inside)}</p>
    case 'heading':
      return createElement(`h${levelOf(part)}`, { key }, filled(inside))
    case 'blockquote':
      return <blockquote key={key}>{inside}</blockquote>
    case 'code_block':
      return (
        <pre key={key}>
          <code>{filled(inside)}</code>
        </pre>
      )
    case 'bullet_list':
      return <ul key={key}>{inside}</ul>
    case 'ordered_list':
      return (
        <ol key={key} start={startOf(part)}>
          {inside}
        </ol>
      )
    case 'list_item':
      return <li key={key}>{inside}</li>
    case 'hard_break':
      return <br key={key} />
    default:
      return <div key={key}>{inside}</div>
  }
}

/** An empty line is as high as one with words in it. */
function filled(inside: ReactNode[]): ReactNode {
  return inside.length === 0 ? <br /> : inside
}

/** The editor writes attributes as what they are, not only as text. */
function attribute(element: Y.XmlElement, name: string): unknown {
  return element.getAttribute(name)
}

function levelOf(heading: Y.XmlElement): number {
  return Math.min(6, Math.max(1, Math.round(Number(attribute(heading, 'level'))) || 1))
}

function startOf(list: Y.XmlElement): number | undefined {
  const order = Math.round(Number(attribute(list, 'order'))) || 1
  return order === 1 ? undefined : order
}

function runs(text: Y.XmlText, room: Room): ReactNode[] {
  const delta = text.toDelta() as { insert?: unknown; attributes?: Record<string, unknown> }[]
  return delta.map(({ insert, attributes = {} }, at) => {
    const words = typeof insert === 'string' ? insert.slice(0, Math.max(0, room.left)) : ''
    room.left -= words.length
    return <Fragment key={at}>{words !== '' && marked(words, attributes)}</Fragment>
  })
}

/** In the order of the schema, whose first mark is around all others. */
function marked(words: string, { strong, em, code, link }: Record<string, unknown>): ReactNode {
  let run: ReactNode = words
  if (link) run = linked(words, link)
  if (code) run = <code>{run}</code>
  if (em) run = <em>{run}</em>
  return strong ? <strong>{run}</strong> : run
}

function linked(words: string, link: unknown): ReactNode {
  const address = safeAddress((link as { href?: unknown }).href)
  if (address === null) return <span>{words}</span>
  return (
    <a href={address} rel="noopener noreferrer" target="_blank">
      {words}
    </a>
  )
}
