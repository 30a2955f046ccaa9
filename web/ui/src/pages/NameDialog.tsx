import type { SubmitEvent } from 'react'
import { Button, Dialog, DialogActions, Field, Notice } from '../design'
import { textsOf, useSubmission } from '../resource/form'
import styles from './forms.module.css'

interface NameDialogProps {
  title: string
  label: string
  action: string
  initial?: string
  onSubmit: (name: string) => Promise<void>
  onClose: () => void
}

/** Asks for a name, for something new or instead of the one it has. */
export function NameDialog({ title, label, action, initial, onSubmit, onClose }: NameDialogProps) {
  const { busy, fields, error, submit } = useSubmission(['name'])
  const send = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const { name } = textsOf(event.currentTarget, 'name')
    void submit(async () => {
      await onSubmit(name)
      onClose()
    })
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form className={styles.form} onSubmit={send}>
        {error && <Notice error={error} />}
        <Field
          label={label}
          name="name"
          required
          maxLength={80}
          autoComplete="off"
          defaultValue={initial}
          error={fields.name}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" busy={busy}>
            {action}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
