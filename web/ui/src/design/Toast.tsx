import { createContext, use, useCallback, useEffect, useRef, useState, type ReactNode } from 'react'
import { ApiError } from '../api'
import { Button } from './Button'
import { classes } from './classes'
import { Icon } from './Icon'
import styles from './Toast.module.css'

interface Toast {
  id: number
  text: string
  tone: 'good' | 'bad'
}

interface Toasts {
  /** Says that something was done. */
  done: (text: string) => void
  /** Says that something failed, and why. */
  failed: (error: unknown) => void
}

const Context = createContext<Toasts | null>(null)

/** How long a toast stays. One that says what failed stays until it is closed. */
const staysMs = 6_000

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([])
  const next = useRef(0)
  const add = useCallback((text: string, tone: Toast['tone']) => {
    const id = next.current++
    setToasts((toasts) => [...toasts.filter((toast) => toast.text !== text).slice(-3), { id, text, tone }])
  }, [])
  const remove = useCallback((id: number) => setToasts((toasts) => toasts.filter((toast) => toast.id !== id)), [])
  const [value] = useState<Toasts>(() => ({
    done: (text) => add(text, 'good'),
    failed: (error) => add(sentence(ApiError.of(error)), 'bad'),
  }))
  return (
    <Context value={value}>
      {children}
      <div className={styles.stack} role="region" aria-label="Notifications">
        <div aria-live="polite">
          {toasts.map((toast) => (
            <Message key={toast.id} toast={toast} onClose={remove} />
          ))}
        </div>
      </div>
    </Context>
  )
}

function Message({ toast, onClose }: { toast: Toast; onClose: (id: number) => void }) {
  const { id, text, tone } = toast
  useEffect(() => {
    if (tone === 'bad') return
    const timer = setTimeout(() => onClose(id), staysMs)
    return () => clearTimeout(timer)
  }, [id, tone, onClose])
  return (
    <div className={classes(styles.toast, styles[tone])}>
      <Icon name={tone === 'good' ? 'check' : 'warning'} />
      <p>{text}</p>
      <Button variant="quiet" small icon="close" aria-label="Close notification" onClick={() => onClose(id)} />
    </div>
  )
}

function sentence(error: ApiError): string {
  const fields = Object.entries(error.fields).map(([field, problem]) => `${field} ${problem}`)
  const text = fields.length > 0 ? fields.join('; ') : error.message
  return text.charAt(0).toUpperCase() + text.slice(1)
}

export function useToast(): Toasts {
  const toasts = use(Context)
  if (toasts === null) throw new Error('there is a toast provider around every page')
  return toasts
}
