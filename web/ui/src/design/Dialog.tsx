import { useId, useLayoutEffect, useRef, useState, type ReactNode } from 'react'
import { Button } from './Button'
import styles from './Dialog.module.css'
import { Field } from './Field'
import { Notice } from './Notice'

interface DialogProps {
  title: string
  /** Escape, or the cross. A press beside it does nothing, so that no input is lost by it. */
  onClose: () => void
  children: ReactNode
  wide?: boolean
}

/** A modal dialog, open as long as it is rendered. The browser keeps the focus inside and gives it back. */
export function Dialog({ title, onClose, children, wide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  // Before the page is drawn, and closed while it is still in it: only then the browser gives the focus back.
  useLayoutEffect(() => {
    const element = dialog.current
    // Whoever wants the first key says so; otherwise the browser takes the first control, which closes the dialog.
    element?.showModal()
    const first = element?.querySelector<HTMLElement>('[data-first], form input, form select')
    first?.focus()
    return () => element?.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      className={wide ? styles.wide : styles.dialog}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div className={styles.inside}>
        <header>
          <h2 id={heading}>{title}</h2>
          <Button variant="quiet" small icon="close" aria-label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  )
}

/** The row of buttons that a dialog ends with. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>
}

interface ConfirmProps {
  title: string
  children: ReactNode
  /** What the button says: the deed itself, never "OK". */
  action: string
  /** A word that has to be typed first, for what cannot be undone. */
  typed?: string
  danger?: boolean
  /** What is to be done; the dialog waits for it and shows why it failed. */
  onConfirm: () => Promise<void>
  onClose: () => void
}

/** A name as it reads: a page shows several spaces as one, and a keyboard may write an umlaut as two characters. */
function words(text: string): string {
  return text.normalize('NFC').trim().replace(/\s+/g, ' ')
}

/** Asks before something is done. */
export function ConfirmDialog({ title, children, action, typed, danger, onConfirm, onClose }: ConfirmProps) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const [text, setText] = useState('')
  const confirm = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await onConfirm()
      onClose()
    } catch (error) {
      setError(error)
      setBusy(false)
    }
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          if (!busy) void confirm()
        }}
      >
        <div className={styles.text}>{children}</div>
        {typed !== undefined && (
          <Field
            label={
              <>
                Type <strong>{typed}</strong> to go on
              </>
            }
            value={text}
            autoComplete="off"
            onChange={(event) => setText(event.target.value)}
          />
        )}
        {error !== undefined && <Notice error={error} />}
        <DialogActions>
          <Button onClick={onClose} data-first={typed === undefined ? true : undefined}>
            Cancel
          </Button>
          <Button
            type="submit"
            variant={danger ? 'danger' : 'primary'}
            busy={busy}
            disabled={typed !== undefined && words(text) !== words(typed)}
          >
            {action}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
