import type { ReactNode } from 'react'
import styles from './Badge.module.css'
import { classes } from './classes'
import { Spinner } from './Spinner'

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain' | 'brass'

interface BadgeProps {
  tone?: Tone
  /** One that turns says that it is under way. */
  dot?: boolean | 'turning'
  children: ReactNode
}

/** A word about the state of something; the dot is its colour, the word its meaning. */
export function Badge({ tone = 'plain', dot = false, children }: BadgeProps) {
  return (
    <span className={classes(styles.badge, styles[tone])}>
      {dot === 'turning' && <Spinner label="" />}
      {dot === true && <span className={styles.dot} aria-hidden="true" />}
      {children}
    </span>
  )
}
