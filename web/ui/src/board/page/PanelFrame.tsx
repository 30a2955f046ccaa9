import { useEffect, useRef, type ReactNode } from 'react'
import { Button } from '../../design'
import { isTyping } from '../../design/typing'
import { classes } from '../../design/classes'
import styles from './PanelFrame.module.css'

interface PanelFrameProps {
  label: string
  title: ReactNode
  actions?: ReactNode
  wide?: boolean
  onClose: () => void
  children: ReactNode
}

/** What stands beside the board, and instead of it on a narrow screen. Escape closes it and gives the focus back. */
export function PanelFrame({ label, title, actions, wide = false, onClose, children }: PanelFrameProps) {
  const frame = useRef<HTMLElement>(null)
  useEffect(() => {
    const before = document.activeElement
    frame.current?.focus({ preventScroll: true })
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true })
    }
  }, [])
  return (
    <aside
      ref={frame}
      tabIndex={-1}
      aria-label={label}
      className={classes(styles.frame, wide && styles.wide)}
      onKeyDown={(event) => {
        // In a text Escape is the text's.
        if (event.key === 'Escape' && !event.defaultPrevented && !isTyping(event.target)) onClose()
      }}
    >
      <header className={styles.header}>
        <div className={styles.title}>{title}</div>
        {actions}
        <Button variant="quiet" small icon="close" aria-label="Close" onClick={onClose} />
      </header>
      {children}
    </aside>
  )
}
