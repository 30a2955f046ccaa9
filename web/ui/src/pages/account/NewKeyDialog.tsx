import { useState, type SubmitEvent } from 'react'
import { apiKeys, type CreatedKey, type Scope } from '../../api'
import { Button, CopyButton, Dialog, DialogActions, Field, Notice, SelectField } from '../../design'
import { textsOf, useSubmission } from '../../resource/form'
import forms from '../forms.module.css'
import styles from './KeysSection.module.css'

/** Each scope includes those before it. */
const reaches: Record<Scope, string> = {
  read: 'read: look, but change nothing',
  write: 'write: also change projects and boards',
  admin: 'admin: everything that you may do',
}
const scopes: readonly Scope[] = ['read', 'write', 'admin']

export function NewKeyDialog({ onCreated, onClose }: { onCreated: (key: CreatedKey) => void; onClose: () => void }) {
  const { busy, fields, error, submit } = useSubmission(['name', 'scopes'])
  const [scope, setScope] = useState<Scope>('write')
  const create = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const { name } = textsOf(event.currentTarget, 'name')
    void submit(async () => onCreated(await apiKeys.create({ name, scopes: [scope] })))
  }
  return (
    <Dialog title="New API key" onClose={onClose}>
      <form className={forms.form} onSubmit={create}>
        {error && <Notice error={error} />}
        <Field
          label="What it is for"
          name="name"
          required
          maxLength={80}
          autoComplete="off"
          error={fields.name}
          placeholder="Nightly export"
        />
        <SelectField
          label="What it may be used for"
          value={scope}
          error={fields.scopes}
          onChange={(event) => setScope(scopes.find((scope) => scope === event.target.value) ?? 'read')}
        >
          {scopes.map((scope) => (
            <option key={scope} value={scope}>
              {reaches[scope]}
            </option>
          ))}
        </SelectField>
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" busy={busy}>
            Make API key
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

/** The one time that a key can be seen. */
export function ShownKeyDialog({ created, onClose }: { created: CreatedKey; onClose: () => void }) {
  return (
    <Dialog title={`Your key ${created.name}`} onClose={onClose}>
      <div className={forms.form}>
        <Notice tone="warn">
          <p>Keep it now. It cannot be shown again, and whoever has it can act as you.</p>
        </Notice>
        <code className={styles.secret}>{created.key}</code>
        <DialogActions>
          <CopyButton text={created.key} label="Copy key" data-first />
          <Button variant="primary" onClick={onClose}>
            I have kept it
          </Button>
        </DialogActions>
      </div>
    </Dialog>
  )
}
