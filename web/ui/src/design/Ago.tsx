import { useSyncExternalStore } from 'react'

const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })
const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })

/** How long ago a moment was, in words: "3 minutes ago". */
export function ago(iso: string, nowMs: number): string {
  const seconds = Math.round((Date.parse(iso) - nowMs) / 1000)
  const unit = units.find(([, size]) => Math.abs(seconds) >= size)
  if (unit === undefined) return Math.abs(seconds) < 10 ? 'just now' : relative.format(seconds, 'second')
  return relative.format(Math.round(seconds / unit[1]), unit[0])
}

let now = Date.now()

function tick(listener: () => void): () => void {
  // Nobody may have looked at the time for long.
  now = Date.now()
  const timer = setInterval(() => {
    now = Date.now()
    listener()
  }, 1_000)
  return () => clearInterval(timer)
}

/** The time in milliseconds, to the second. */
export function useNow(): number {
  return useSyncExternalStore(tick, () => now)
}

/** A moment, as its day; the exact time shows on hovering. */
export function Day({ of }: { of: string }) {
  const date = new Date(of)
  return (
    <time dateTime={of} title={exact.format(date)}>
      {day.format(date)}
    </time>
  )
}

/** A moment, as how long ago it was; the exact time shows on hovering. */
export function Ago({ at }: { at: string }) {
  const text = useSyncExternalStore(tick, () => ago(at, Math.max(now, Date.parse(at))))
  return (
    <time dateTime={at} title={exact.format(new Date(at))}>
      {text}
    </time>
  )
}
