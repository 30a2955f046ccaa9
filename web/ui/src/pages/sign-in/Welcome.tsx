import type { ReactNode } from 'react'
import { useTitle } from '../../design'
import { Mark } from '../../shell/Mark'
import { Sky } from './Sky'
import styles from './Welcome.module.css'

/** What signing in and signing up look like: the machine on one side, a form on the other. */
export function Welcome({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  useTitle(title)
  return (
    <div className={styles.halves}>
      <div className={styles.sky}>
        <div className={styles.name}>
          <Mark size={34} />
          <span>Orrery</span>
        </div>
        <Sky />
        <p className={styles.promise}>
          One live board for everything a team runs and writes. What Orrery says is saved, stays saved.
        </p>
      </div>
      <main className={styles.side}>
        <div className={styles.form}>
          <h1>{title}</h1>
          <p className={styles.lead}>{lead}</p>
          {children}
        </div>
      </main>
    </div>
  )
}
