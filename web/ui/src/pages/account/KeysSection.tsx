import { useState } from 'react'
import { apiKeys, type ApiKey, type CreatedKey } from '../../api'
import { Ago, Badge, Button, ConfirmDialog, Day, useNow, useToast } from '../../design'
import { classes } from '../../design/classes'
import { useResource } from '../../resource'
import { Loading } from '../../resource/Loading'
import forms from '../forms.module.css'
import rows from '../rows.module.css'
import styles from './KeysSection.module.css'
import { NewKeyDialog, ShownKeyDialog } from './NewKeyDialog'

/** Keys with which programs use the API. */
export function KeysSection() {
  const loaded = useResource(apiKeys.list)
  const [creating, setCreating] = useState(false)
  const [created, setCreated] = useState<CreatedKey>()
  const [removing, setRemoving] = useState<ApiKey>()
  const take = (key: CreatedKey) => {
    setCreating(false)
    setCreated(key)
    loaded.reload()
  }
  return (
    <section className={forms.section} aria-labelledby="api-keys">
      <div className={styles.heading}>
        <h2 id="api-keys">API keys</h2>
        <Button icon="key" onClick={() => setCreating(true)}>
          New API key
        </Button>
      </div>
      <p className={styles.lead}>
        For programs, as <code>Authorization: Bearer</code>. A key never allows more than you may do yourself.
      </p>
      <Loading of={loaded}>{(keys) => <KeyList keys={keys} onRemove={setRemoving} />}</Loading>
      {creating && <NewKeyDialog onCreated={take} onClose={() => setCreating(false)} />}
      {created && <ShownKeyDialog created={created} onClose={() => setCreated(undefined)} />}
      {removing && (
        <RemoveKey
          apiKey={removing}
          onRemoved={() => loaded.replace((keys) => keys.filter(({ id }) => id !== removing.id))}
          onClose={() => setRemoving(undefined)}
        />
      )}
    </section>
  )
}

function KeyList({ keys, onRemove }: { keys: readonly ApiKey[]; onRemove: (key: ApiKey) => void }) {
  if (keys.length === 0) return <p className={styles.none}>You have no API key.</p>
  return (
    <ul className={rows.inside} aria-label="API keys">
      {keys.map((key) => (
        <KeyRow key={key.id} apiKey={key} onRemove={() => onRemove(key)} />
      ))}
    </ul>
  )
}

function KeyRow({ apiKey, onRemove }: { apiKey: ApiKey; onRemove: () => void }) {
  const { id, name, scopes, created_at, last_used_at, expires_at } = apiKey
  const now = useNow()
  const over = expires_at !== null && Date.parse(expires_at) <= now
  return (
    <li className={classes(rows.row, styles.key)}>
      <div className={rows.words}>
        <strong>{name}</strong>
        <span>
          <code>ok_{id}_…</code> made <Ago at={created_at} />,{' '}
          {last_used_at === null ? (
            'never used'
          ) : (
            <>
              last used <Ago at={last_used_at} />
            </>
          )}
          ,{' '}
          {expires_at === null ? (
            'never expires'
          ) : (
            <>
              {over ? 'expired on' : 'works until'} <Day of={expires_at} />
            </>
          )}
        </span>
      </div>
      <span className={styles.scopes}>
        {over ? <Badge tone="bad">expired</Badge> : scopes.map((scope) => <Badge key={scope}>{scope}</Badge>)}
      </span>
      <Button small variant="quiet" icon="trash" onClick={onRemove}>
        Delete<span className="visually-hidden"> {name}</span>
      </Button>
    </li>
  )
}

function RemoveKey({ apiKey, onRemoved, onClose }: { apiKey: ApiKey; onRemoved: () => void; onClose: () => void }) {
  const toast = useToast()
  const remove = async () => {
    await apiKeys.remove(apiKey.id)
    onRemoved()
    toast.done(`${apiKey.name} opens nothing any more`)
  }
  return (
    <ConfirmDialog title={`Delete ${apiKey.name}?`} action="Delete API key" danger onConfirm={remove} onClose={onClose}>
      <p>Programs that use it are refused from now on.</p>
    </ConfirmDialog>
  )
}
