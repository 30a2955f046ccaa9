import { Drawing } from '../design/Icon'

// Line icons of the board, which the first page does without.

const drawings = {
  arrow: 'M4 4v5.5a2 2 0 0 0 2 2h9M11.5 8l3.5 3.5-3.5 3.5',
  bold: 'M6.5 4h4.2a2.9 2.9 0 0 1 0 5.8H6.5zM6.5 9.8h5a3.1 3.1 0 0 1 0 6.2h-5z',
  bullets: 'M4 5.5h.01M4 10h.01M4 14.5h.01M7.5 5.5H16M7.5 10H16M7.5 14.5H16',
  code: 'M7 6l-4 4 4 4M13 6l4 4-4 4',
  connect: 'M5.5 17a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM14.5 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM7.3 12.7l5.4-5.4',
  container: 'M10 2.8l6.3 3.5v7.4L10 17.2l-6.3-3.5V6.3zM3.7 6.3L10 9.8l6.3-3.5M10 9.8v7.4',
  database:
    'M4 5.5c0-1.4 2.7-2.5 6-2.5s6 1.1 6 2.5-2.7 2.5-6 2.5-6-1.1-6-2.5zM4 5.5v9c0 1.4 2.7 2.5 6 2.5s6-1.1 6-2.5v-9M4 10c0 1.4 2.7 2.5 6 2.5s6-1.1 6-2.5',
  download: 'M10 3.5v9M6.5 9.5l3.5 3.5 3.5-3.5M4 16.5h12',
  flow: 'M3.5 4h5v4h-5zM11.5 12h5v4h-5zM6 8v6h5.5',
  fit: 'M4 7.5V4h3.5M12.5 4H16v3.5M16 12.5V16h-3.5M7.5 16H4v-3.5',
  heading: 'M5 4v12M14 4v12M5 10h9',
  italic: 'M8.5 4h6M5.5 16h6M11.5 4l-3 12',
  keyboard: 'M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.5h7',
  list: 'M3.5 4.5h13v11h-13zM8 4.5v11',
  minus: 'M4 10h12',
  note: 'M4 4h12v8l-4 4H4zM12 16v-4h4M7 8h6M7 11h3',
  numbers: 'M3.2 4.5l1-.5v3.2M3 12.3c.8-.7 2-.3 1.8.5-.1.6-1.8 1.3-1.8 1.9H5M8 5.5h8.5M8 10h8.5M8 14.5h8.5',
  palette:
    'M10 3a7 7 0 1 0 0 14c1.4 0 1.6-1 1.1-1.7-.8-1.2.1-2.3 1.4-2.3h2A2.5 2.5 0 0 0 17 10.4C16.8 6 13.6 3 10 3zM6.5 10h.01M8 6.7h.01M12 6.5h.01',
  pause: 'M7 5v10M13 5v10',
  plus: 'M10 4v12M4 10h12',
  redo: 'M12 4.5L15.5 8 12 11.5M15 8H8.5a4 4 0 0 0 0 8H11',
  restart: 'M15.5 10a5.5 5.5 0 1 1-1.6-3.9L15.5 7.7M15.5 4v3.7h-3.7',
  terminal: 'M3 4h14v12H3zM6 8l2.5 2L6 12M10.5 12.5H14',
  undo: 'M8 4.5L4.5 8 8 11.5M5 8h6.5a4 4 0 0 1 0 8H9',
  wrap: 'M3.5 5h13M3.5 10h10.5a2.7 2.7 0 0 1 0 5.4H11M12.8 13.5L11 15.4l1.8 1.9M3.5 15h4',
} as const

export type GlyphName = keyof typeof drawings

export function Glyph({ name, size = 18 }: { name: GlyphName; size?: number }) {
  return <Drawing path={drawings[name]} size={size} />
}
