import { Button, Field } from '../../design'
import type { EnvironmentRow, FieldErrors } from '../model/form'
import type { ImageView } from '../model/images'
import styles from './NewContainer.module.css'

interface EnvironmentProps {
  image: ImageView
  rows: readonly EnvironmentRow[]
  errors: FieldErrors
  onChange: (rows: readonly EnvironmentRow[]) => void
}

/** Variables that the image knows, and those that somebody adds. */
export function EnvironmentFields({ image, rows, errors, onChange }: EnvironmentProps) {
  const change = (key: number, fields: Partial<EnvironmentRow>) =>
    onChange(rows.map((row) => (row.key === key ? { ...row, ...fields } : row)))
  const add = () => {
    const key = Math.max(-1, ...rows.map((row) => row.key)) + 1
    onChange([...rows, { key, name: '', value: '', secret: false, declared: false }])
  }
  return (
    <fieldset className={styles.group}>
      <legend>Environment</legend>
      {rows.map((row) =>
        row.declared ? (
          <Field
            key={row.key}
            label={<Declared row={row} image={image} />}
            hint={describe(row, image)}
            type={row.secret ? 'password' : 'text'}
            autoComplete={row.secret ? 'new-password' : 'off'}
            value={row.value}
            error={errors[`env.${row.key}`]}
            onChange={(event) => change(row.key, { value: event.target.value })}
          />
        ) : (
          <div key={row.key} className={styles.variable}>
            <Field
              label="Name"
              value={row.name}
              autoComplete="off"
              spellCheck={false}
              error={errors[`env.${row.key}`]}
              onChange={(event) => change(row.key, { name: event.target.value })}
            />
            <Field
              label="Value"
              value={row.value}
              type={row.secret ? 'password' : 'text'}
              autoComplete={row.secret ? 'new-password' : 'off'}
              onChange={(event) => change(row.key, { value: event.target.value })}
            />
            <label className={styles.secret}>
              <input
                type="checkbox"
                checked={row.secret}
                onChange={(event) => change(row.key, { secret: event.target.checked })}
              />
              Secret
            </label>
            <Button
              variant="quiet"
              small
              icon="close"
              aria-label={`Remove the variable ${row.name}`}
              onClick={() => onChange(rows.filter((other) => other.key !== row.key))}
            />
          </div>
        ),
      )}
      <Button small icon="add" className={styles.add ?? ''} onClick={add}>
        Add a variable
      </Button>
      <p className={styles.description}>Everybody in the project reads plain values; secrets are sealed.</p>
    </fieldset>
  )
}

function Declared({ row, image }: { row: EnvironmentRow; image: ImageView }) {
  const required = image.env.some((variable) => variable.name === row.name && variable.required)
  return (
    <>
      <code>{row.name}</code>
      {row.secret && ' · secret'}
      {required && ' · needed'}
    </>
  )
}

function describe(row: EnvironmentRow, image: ImageView): string | undefined {
  const text = image.env.find((variable) => variable.name === row.name)?.description
  return text === '' ? undefined : text
}
