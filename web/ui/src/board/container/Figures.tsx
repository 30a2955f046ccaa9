import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import { useTheme } from '../../design'
import type { Figures as Sample } from '../connection/live'
import type { ContainerView } from '../model/containers'
import { bytesText, processorText } from './amounts'
import styles from './Figures.module.css'
import { useFigures } from './useFigures'

interface Line {
  label: string
  color: string
  value: (now: Sample, before: Sample) => number
}

const rate = (value: (sample: Sample) => number) => (now: Sample, before: Sample) => {
  const seconds = (now.at - before.at) / 1_000
  // Totals begin anew with a container that was restarted.
  return seconds > 0 ? Math.max(0, value(now) - value(before)) / seconds : 0
}

const CHARTS: {
  title: string
  text: (value: number) => string
  /** The scale reaches at least so far: next to nothing looks like it. */
  least: number
  lines: Line[]
}[] = [
  {
    title: 'Processor',
    text: processorText,
    least: 0.01,
    lines: [{ label: 'Used', color: '--accent', value: (now) => now.cpu }],
  },
  {
    title: 'Memory',
    text: bytesText,
    least: 1_024 ** 2,
    lines: [{ label: 'Used', color: '--info', value: (now) => now.memory }],
  },
  {
    title: 'Network',
    text: (value) => `${bytesText(value)}/s`,
    least: 1_024,
    lines: [
      {
        label: 'In',
        color: '--good',
        value: rate((sample) => sample.received),
      },
      {
        label: 'Out',
        color: '--accent',
        value: rate((sample) => sample.transmitted),
      },
    ],
  },
  {
    title: 'Disk',
    text: (value) => `${bytesText(value)}/s`,
    least: 1_024,
    lines: [
      { label: 'Read', color: '--good', value: rate((sample) => sample.read) },
      {
        label: 'Written',
        color: '--accent',
        value: rate((sample) => sample.written),
      },
    ],
  },
]

/** The last minutes of a container, while somebody looks: they are kept nowhere. */
export function Figures({ container }: { container: ContainerView }) {
  const figures = useFigures(container.id)
  const last = figures.at(-1)
  if (last === undefined) {
    const up = container.phase === 'running' || container.phase === 'unhealthy' || container.phase === 'starting'
    return <p className={styles.none}>{up ? 'Waiting for the first figures…' : 'There are figures while it runs.'}</p>
  }
  return (
    <div className={styles.figures}>
      {CHARTS.map((chart) => (
        <Chart key={chart.title} {...chart} figures={figures} />
      ))}
      <p className={styles.also}>
        {last.processes} processes
        {last.heartbeatAge !== null && `, last reported ${Math.round(last.heartbeatAge / 1_000)} s ago`}
      </p>
      <button type="button" className={styles.export} onClick={() => download(container.name, figures)}>
        Download these figures (CSV)
      </button>
    </div>
  )
}

const HEIGHT = 130

const time = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const clock = (seconds: number) => time.format(seconds * 1_000)

function Chart({ title, text, least, lines, figures }: (typeof CHARTS)[number] & { figures: readonly Sample[] }) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const theme = useTheme()

  useEffect(() => {
    const element = place.current
    if (element === null) return
    // As it is in this theme: a canvas knows nothing of properties.
    const colour = (name: string) => {
      element.style.color = `var(${name})`
      return getComputedStyle(element).color
    }
    const axis = {
      stroke: colour('--ink-faint'),
      font: `12px ${getComputedStyle(element).fontFamily}`,
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    }
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        axes: [
          { ...axis, space: 90, size: 28, values: (_plot, values) => values.map(clock) },
          { ...axis, size: 74, values: (_plot, values) => values.map(text) },
        ],
        scales: {
          y: {
            range: (_plot, _least, most) => [0, Math.max(most * 1.15, least)],
          },
        },
        series: [
          {},
          ...lines.map(({ label, color }) => ({
            label,
            stroke: colour(color),
            width: 1.6,
            points: { show: false },
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      element,
    )
    plot.current = made
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }))
    sized.observe(element)
    return () => {
      sized.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [theme, text, least, lines])

  useEffect(() => {
    plot.current?.setData([
      figures.map(({ at }) => at / 1_000),
      ...lines.map(({ value }) => figures.map((sample, at) => value(sample, figures[at - 1] ?? sample))),
    ])
  }, [figures, lines, theme, text, least])

  const last = figures.at(-1)
  const before = figures.at(-2) ?? last
  return (
    <figure className={styles.chart}>
      <figcaption>
        <strong>{title}</strong>
        <span>
          {last !== undefined &&
            before !== undefined &&
            lines.map(({ label, value }) => `${label} ${text(value(last, before))}`).join(' · ')}
        </span>
      </figcaption>
      <div ref={place} />
    </figure>
  )
}

function download(name: string, figures: readonly Sample[]): void {
  const columns = Object.keys(figures[0] ?? {}) as (keyof Sample)[]
  const rows = figures.map((sample) => columns.map((column) => sample[column] ?? '').join(','))
  const url = URL.createObjectURL(new Blob([[columns.join(','), ...rows].join('\n')], { type: 'text/csv' }))
  const link = Object.assign(document.createElement('a'), {
    href: url,
    download: `${name}.csv`,
  })
  link.click()
  URL.revokeObjectURL(url)
}
