import styles from './Spinner.module.css'

/** Shows that something is under way, and says what. */
export function Spinner({ label = 'Loading', large = false }: { label?: string; large?: boolean }) {
  return (
    <span role="status" className={large ? styles.large : styles.small}>
      <svg aria-hidden="true" viewBox="0 0 32 32">
        <circle className={styles.path} cx="16" cy="16" r="12" />
        <g className={styles.turning}>
          <circle className={styles.moon} cx="28" cy="16" r="3" />
        </g>
        <circle className={styles.sun} cx="16" cy="16" r="3.5" />
      </svg>
      <span className={large ? undefined : 'visually-hidden'}>{label}</span>
    </span>
  )
}
