import type { ReactNode } from 'react'
import styles from './Empty.module.css'

/** What stands where nothing is yet: what would be here, and how to begin. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <svg className={styles.drawing} aria-hidden="true" viewBox="0 0 120 72">
        <ellipse cx="60" cy="36" rx="54" ry="26" />
        <ellipse cx="60" cy="36" rx="32" ry="15" />
        <circle className={styles.sun} cx="60" cy="36" r="6" />
        <circle className={styles.moon} cx="107" cy="23" r="4" />
        <circle className={styles.moon} cx="35" cy="45.5" r="3" />
      </svg>
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action}
    </div>
  )
}
