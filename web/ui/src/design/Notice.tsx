import type { ReactNode } from 'react'
import { ApiError } from '../api'
import { Button } from './Button'
import { classes } from './classes'
import { Icon } from './Icon'
import styles from './Notice.module.css'

interface NoticeProps {
  /** Why something could not be done. */
  error?: unknown
  /** Instead of an error: what to say, and in which voice. */
  children?: ReactNode
  tone?: 'bad' | 'warn' | 'info'
  /** What else can be done about it. */
  action?: ReactNode
  /** How to try again. */
  onRetry?: () => void
}

/** What went wrong, or what has to be known, in the page where it belongs. */
export function Notice({ error, children, tone = 'bad', action, onRetry }: NoticeProps) {
  const failure = error === undefined ? undefined : ApiError.of(error)
  return (
    <div className={classes(styles.notice, styles[tone])} role={tone === 'bad' ? 'alert' : undefined}>
      <Icon name="warning" />
      <div className={styles.text}>
        {children ?? <p>{failure && sentence(failure)}</p>}
        {failure?.requestId !== undefined && failure.status >= 500 && (
          <p className={styles.request}>
            Request <code>{failure.requestId}</code>
          </p>
        )}
      </div>
      {action}
      {onRetry && (
        <Button small onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  )
}

function sentence(error: ApiError): string {
  const text = error.message.charAt(0).toUpperCase() + error.message.slice(1)
  const wait = error.retryAfterSeconds === undefined ? '' : ` Try again in ${error.retryAfterSeconds} s.`
  return (/[.!?]$/.test(text) ? text : `${text}.`) + wait
}
