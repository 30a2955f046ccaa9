import styles from './Sky.module.css'

const moons = [
  { orbit: 60, size: 5, at: 40, className: styles.first },
  { orbit: 98, size: 8, at: 150, className: styles.second },
  { orbit: 140, size: 6, at: 275, className: styles.third },
  { orbit: 184, size: 11, at: 330, className: styles.fourth },
]

/** An orrery that turns slowly. It stands still for readers who want no motion. */
export function Sky() {
  return (
    <svg className={styles.sky} aria-hidden="true" viewBox="-200 -200 400 400">
      {Array.from({ length: 60 }, (_, tick) => (
        <line
          key={tick}
          className={styles.tick}
          x1="0"
          x2="0"
          y1="-196"
          y2={tick % 5 === 0 ? -188 : -192}
          transform={`rotate(${tick * 6})`}
        />
      ))}
      {moons.map(({ orbit, size, at, className }) => (
        <g key={orbit}>
          <circle className={styles.orbit} r={orbit} />
          <g className={className}>
            <g transform={`rotate(${at})`}>
              <line className={styles.arm} x1="0" y1="0" x2={orbit} y2="0" />
              <circle className={styles.moon} cx={orbit} cy="0" r={size} />
            </g>
          </g>
        </g>
      ))}
      <circle className={styles.glow} r="34" />
      <circle className={styles.sun} r="17" />
    </svg>
  )
}
