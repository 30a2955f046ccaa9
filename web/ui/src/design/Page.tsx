import { useEffect, useRef, type ReactNode } from 'react'
import { useLocation } from '../router'
import styles from './Page.module.css'

/** Names the page in the window's title. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Orrery`
  }, [title])
}

interface PageProps {
  title: string
  /** What stands above the title: where one is. */
  above?: ReactNode
  /** What is said below the title. */
  lead?: ReactNode
  /** What can be done here. */
  actions?: ReactNode
  children: ReactNode
}

let opened = false

/** A page: its title, which takes the focus when one comes from another page, and what can be done. */
export function Page({ title, above, lead, actions, children }: PageProps) {
  useTitle(title)
  const heading = useRef<HTMLHeadingElement>(null)
  const { path } = useLocation()
  useEffect(() => {
    // The first page of a visit leaves the focus to the browser.
    if (opened) heading.current?.focus({ preventScroll: true })
    opened = true
  }, [path])
  return (
    <main className={styles.page}>
      <header className={styles.header}>
        <div className={styles.words}>
          {above !== undefined && <div className={styles.above}>{above}</div>}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead !== undefined && <p className={styles.lead}>{lead}</p>}
        </div>
        {actions !== undefined && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </main>
  )
}
