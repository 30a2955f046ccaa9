// Line icons on a grid of 20, drawn for this client. Decoration only: what they stand for is said in words beside them.

const drawings = {
  add: 'M10 4v12M4 10h12',
  back: 'M12 4l-6 6 6 6',
  check: 'M4 10.5l4 4 8-9',
  chevron: 'M6 8l4 4 4-4',
  close: 'M5 5l10 10M15 5L5 15',
  copy: 'M7 7h9v9H7zM4 13V4h9',
  drain: 'M4 6h12M6 10h8M8.5 14h3',
  edit: 'M4 16l.7-3.4L13 4.3l2.7 2.7-8.3 8.3zM11.5 5.8l2.7 2.7',
  external: 'M8 5H4v11h11v-4M11 4h5v5M16 4l-7 7',
  key: 'M8 12a3.5 3.5 0 1 1 2.4-1l5.6 5.5M13.5 14l2-2M7 8.5h.01',
  leave: 'M8 4H4v12h4M8 10h9M14 7l3 3-3 3',
  menu: 'M3 6h14M3 10h14M3 14h14',
  moon: 'M16 12.2A6.8 6.8 0 0 1 7.8 4a6.8 6.8 0 1 0 8.2 8.2z',
  more: 'M5 10h.01M10 10h.01M15 10h.01',
  people:
    'M7.5 9.5a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM2.5 16c.4-3 2.3-4.3 5-4.3s4.6 1.3 5 4.3M13 4.3a2.7 2.7 0 0 1 0 5M14.6 11.9c1.7.5 2.7 1.8 2.9 4.1',
  play: 'M6.5 4.5l9 5.5-9 5.5z',
  pool: 'M3 5h14v4H3zM3 11h14v4H3zM6 7h.01M6 13h.01',
  stop: 'M5.5 5.5h9v9h-9z',
  sun: 'M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v4.5M11.5 9v4.5',
  warning: 'M10 3.5l7 12.5H3zM10 8.5v3.5M10 14h.01',
} as const

export type IconName = keyof typeof drawings

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return <Drawing path={drawings[name]} size={size} width={name === 'more' ? 2.6 : 1.6} />
}

/** Lines on that grid. */
export function Drawing({ path, size, width = 1.6 }: { path: string; size: number; width?: number }) {
  return (
    <svg
      aria-hidden="true"
      focusable="false"
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={width}
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={path} />
    </svg>
  )
}
