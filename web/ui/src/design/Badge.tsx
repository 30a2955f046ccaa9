import type { ReactNode } from 'react'
import styles from './Badge.module.css'
import { classes } from './classes'

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain' | 'brass'

/** A word about the state of something; the dot is its colour, the word its meaning. */
export function Badge({ tone = 'plain', dot = false, children }: { tone?: Tone; dot?: boolean; children: ReactNode }) {
  return (
    <span className={classes(styles.badge, styles[tone])}>
      {dot && <span className={styles.dot} aria-hidden="true" />}
      {children}
    </span>
  )
}
