import * as Y from 'yjs'
import { numberOf, textOf } from './fields'

/** A place on the board, in board coordinates. */
export interface Point {
  x: number
  y: number
}

interface Placed extends Point {
  id: string
  width: number
  height: number
}

export type NodeView = NoteView | CodeView | CardView | OtherView

export interface NoteView extends Placed {
  type: 'note'
  color: NoteColor
  /** Null while only half of it has come. */
  text: Y.XmlFragment | null
  /** Its first words. */
  beginning: string
}

export interface CodeView extends Placed {
  type: 'code'
  title: string
  language: string
  /** The name of the document: `doc:{name}`. */
  document: string | null
}

/** A card of a container. */
export interface CardView extends Placed {
  type: 'container'
  container: string
}

/** Of a later version. */
export interface OtherView extends Placed {
  type: 'other'
  title: string
}

export interface EdgeView {
  id: string
  source: string
  target: string
  label: string
}

export const NOTE_COLORS = ['brass', 'moss', 'sky', 'rose', 'plain'] as const
export type NoteColor = (typeof NOTE_COLORS)[number]

export const SIZES = {
  note: { width: 240, height: 160 },
  code: { width: 240, height: 108 },
  container: { width: 300, height: 148 },
  other: { width: 200, height: 80 },
} as const

/** How small and how large people make notes. */
export const NOTE_SIZES = { least: { width: 140, height: 80 }, most: { width: 1_600, height: 1_600 } } as const

/** Farther out or larger than this, nobody would find it again. */
const FAR = 1_000_000
const LARGEST = 4_000
const SMALLEST = 48
const DOCUMENT_NAME = /^doc:[A-Za-z0-9._-]{1,120}$/

/** Reads a node of the board; null if it is no map. Missing and odd values become something that can be shown. */
export function readNode(id: string, value: unknown): NodeView | null {
  if (!(value instanceof Y.Map)) return null
  const map = value as Y.Map<unknown>
  const type = map.get('type')
  const title = textOf(map.get('title')) ?? ''
  switch (type) {
    case 'note': {
      const [found, color] = [map.get('text'), map.get('color')]
      const text = found instanceof Y.XmlFragment ? found : null
      return {
        ...placed(id, map, 'note'),
        type,
        color: NOTE_COLORS.find((known) => known === color) ?? 'brass',
        text,
        beginning: text === null ? '' : beginningOf(text),
      }
    }
    case 'code': {
      const document = textOf(map.get('document'))
      return {
        ...placed(id, map, 'code'),
        type,
        title,
        language: textOf(map.get('language')) ?? 'text',
        document: document !== null && DOCUMENT_NAME.test(document) ? document : null,
      }
    }
    case 'container':
      return {
        ...placed(id, map, 'container'),
        type,
        container: textOf(map.get('container')) ?? '',
      }
    default:
      return {
        ...placed(id, map, 'other'),
        type: 'other',
        title: title === '' ? (textOf(type) ?? '') : title,
      }
  }
}

/** So many letters tell one note from another. */
const BEGINNING = 60
/** Among so many letters they are found, though some may be spaces. */
const SEARCHED = 4 * BEGINNING

/** Deeper than this nobody reads. */
const DEEPEST = 40

function beginningOf(text: Y.XmlFragment): string {
  const whole = firstWords(text, '', 0).trim().replace(/\s+/g, ' ')
  return whole.length > BEGINNING ? `${whole.slice(0, BEGINNING).trimEnd()}…` : whole
}

/** What was found, and the words that follow in `parent`. Others may have put anything into a text. */
function firstWords(parent: Y.XmlFragment, found: string, depth: number): string {
  let words = found
  for (const part of parent.toArray() as unknown[]) {
    if (words.length > SEARCHED || depth > DEEPEST) break
    if (part instanceof Y.XmlElement) words = firstWords(part, words, depth + 1)
    else if (part instanceof Y.XmlText) words += ` ${plain(part)}`
  }
  return words
}

function plain(text: Y.XmlText): string {
  const delta = text.toDelta() as { insert?: unknown }[]
  return delta.map(({ insert }) => (textOf(insert) ?? '').slice(0, SEARCHED)).join('')
}

function placed(id: string, map: Y.Map<unknown>, kind: keyof typeof SIZES): Placed {
  // The browser measures in whole pixels.
  const size = (name: 'width' | 'height') => Math.round(within(map.get(name), SMALLEST, LARGEST, SIZES[kind][name]))
  return {
    id,
    x: within(map.get('x'), -FAR, FAR, 0),
    y: within(map.get('y'), -FAR, FAR, 0),
    width: size('width'),
    height: size('height'),
  }
}

function within(value: unknown, least: number, most: number, otherwise: number): number {
  const number = numberOf(value)
  return number === null ? otherwise : Math.min(most, Math.max(least, number))
}

/** Reads an edge; null without both ends. */
export function readEdge(id: string, value: unknown): EdgeView | null {
  if (!(value instanceof Y.Map)) return null
  const map = value as Y.Map<unknown>
  const [source, target] = [textOf(map.get('source')), textOf(map.get('target'))]
  if (source === null || target === null) return null
  return { id, source, target, label: textOf(map.get('label')) ?? '' }
}
