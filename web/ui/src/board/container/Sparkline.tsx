import type { Figures } from '../connection/live'
import { bytesText, processorText } from './amounts'
import styles from './Sparkline.module.css'
import { useFigures } from './useFigures'

const SHOWN = 60
/** So much of a processor is next to nothing, and looks like it. */
const IDLE = 0.01

/** The last minute of processor and memory. */
export function Sparkline({ id }: { id: string }) {
  const figures = useFigures(id).slice(-SHOWN)
  const last = figures.at(-1)
  return (
    <div className={styles.pair}>
      <Line
        name="Processor"
        figures={figures}
        value={(at) => at.cpu}
        most={IDLE}
        text={last && processorText(last.cpu)}
      />
      <Line
        name="Memory"
        figures={figures}
        value={(at) => at.memory}
        most={last?.memoryLimit}
        text={last && bytesText(last.memory)}
      />
    </div>
  )
}

interface LineProps {
  name: string
  figures: readonly Figures[]
  value: (figures: Figures) => number
  /** The scale reaches at least so far. */
  most: number | undefined
  text: string | undefined
}

const [WIDTH, HEIGHT] = [160, 40]

function Line({ name, figures, value, most = 0, text }: LineProps) {
  const values = figures.map(value)
  const top = Math.max(most, ...values) || 1
  const points = values.map((each, at) => {
    const x = WIDTH - (values.length - 1 - at) * (WIDTH / (SHOWN - 1))
    return `${x.toFixed(1)},${(HEIGHT - 2 - (each / top) * (HEIGHT - 4)).toFixed(1)}`
  })
  return (
    <figure className={styles.line}>
      <figcaption>
        {name} <strong>{text ?? '…'}</strong>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points.join(' ')} />
      </svg>
    </figure>
  )
}
