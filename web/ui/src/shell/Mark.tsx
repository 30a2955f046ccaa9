import styles from './Mark.module.css'

/** The sign of the house: two moons on their way around a sun. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg className={styles.mark} aria-hidden="true" viewBox="0 0 64 64" width={size} height={size}>
      <circle className={styles.path} cx="32" cy="32" r="27" />
      <circle className={styles.path} cx="32" cy="32" r="16" />
      <circle className={styles.sun} cx="32" cy="32" r="6.5" />
      <circle className={styles.bright} cx="55.4" cy="18.5" r="4.5" />
      <circle className={styles.dim} cx="20.7" cy="43.3" r="3.5" />
    </svg>
  )
}
