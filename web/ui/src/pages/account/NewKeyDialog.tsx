import { useState, type SubmitEvent } from 'react'
import { apiKeys, type CreatedKey, type Scope } from '../../api'
import { Button, CopyButton, Dialog, DialogActions, Field, Notice, SelectField } from '../../design'
import { textsOf, useSubmission } from '../../resource/form'
import forms from '../forms.module.css'
import styles from './KeysSection.module.css'

/** Each scope includes those before it. */
const reaches: Record<Scope, string> = {
  read: 'read: change nothing',
  write: 'write: also change projects',
  admin: 'admin: all that you may do',
}
const scopes: readonly Scope[] = ['read', 'write', 'admin']

const lives = [
  { name: '30 days', days: 30 },
  { name: '90 days', days: 90 },
  { name: 'a year', days: 365 },
  { name: 'until it is deleted', days: null },
] as const
type Life = (typeof lives)[number]['name']

/** When a key ends that is made now. */
function endOf(life: Life): string | null {
  const days = lives.find(({ name }) => name === life)?.days ?? null
  return days === null ? null : new Date(Date.now() + days * 86_400_000).toISOString()
}

export function NewKeyDialog({ onCreated, onClose }: { onCreated: (key: CreatedKey) => void; onClose: () => void }) {
  const { busy, fields, error, submit } = useSubmission(['name', 'scopes', 'expires_at'])
  const [scope, setScope] = useState<Scope>('write')
  const [life, setLife] = useState<Life>('90 days')
  const create = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const { name } = textsOf(event.currentTarget, 'name')
    const form = { name, scopes: [scope], expires_at: endOf(life) }
    void submit(async () => onCreated(await apiKeys.create(form)))
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
        <SelectField
          label="How long it works"
          value={life}
          error={fields.expires_at}
          onChange={(event) => setLife(lives.find(({ name }) => name === event.target.value)?.name ?? '30 days')}
        >
          {lives.map(({ name }) => (
            <option key={name} value={name}>
              {name}
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
