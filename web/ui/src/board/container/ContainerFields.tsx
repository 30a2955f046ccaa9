import { useEffect, useRef, useState, type FormEvent } from 'react'
import { ApiError } from '../../api'
import { Button, Field, Notice } from '../../design'
import { useAround } from '../context'
import { emptyForm, placeErrors, readForm, type ContainerForm, type FieldErrors } from '../model/form'
import type { ImageView } from '../model/images'
import { slugPreview } from '../model/slug'
import { EnvironmentFields } from './EnvironmentFields'
import { ImageSign } from './ImageSign'
import styles from './NewContainer.module.css'

interface ContainerFieldsProps {
  image: ImageView
  onBack: () => void
  onCreated: (container: string) => void
}

/** Names, environment and limits of a new container. */
export function ContainerFields({ image, onBack, onCreated }: ContainerFieldsProps) {
  const { workspace } = useAround()
  const [form, setForm] = useState<ContainerForm>(() => emptyForm(image))
  const [errors, setErrors] = useState<FieldErrors>({})
  const [failure, setFailure] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  const place = useRef<HTMLFormElement>(null)
  useEffect(() => {
    // What is wrong may be out of sight.
    place.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [errors])
  const set = (change: Partial<ContainerForm>) => setForm((form) => ({ ...form, ...change }))

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    const read = readForm(form, image)
    setErrors('errors' in read ? read.errors : {})
    setFailure(null)
    if ('errors' in read) return
    setBusy(true)
    try {
      onCreated((await workspace.create(read.command)).user_container_id)
    } catch (error) {
      const refusal = ApiError.of(error)
      const placed = placeErrors(refusal.fields, form)
      setErrors(placed)
      if (Object.keys(placed).length === 0) setFailure(refusal)
      setBusy(false)
    }
  }
  const text = (name: 'name' | 'reference' | 'port' | 'cpus' | 'memory_mb' | 'pids') => ({
    value: form[name],
    autoComplete: 'off',
    onChange: (event: { target: { value: string } }) => set({ [name]: event.target.value }),
  })
  return (
    <form ref={place} className={styles.form} noValidate onSubmit={submit}>
      <div className={styles.chosen}>
        <ImageSign image={image} />
        <div>
          <strong>{image.name}</strong>
          <p className={styles.description}>{image.description}</p>
        </div>
        <Button variant="quiet" small onClick={onBack}>
          Change
        </Button>
      </div>
      <Field
        {...text('name')}
        label="Name"
        placeholder={image.name}
        maxLength={200}
        error={errors.name}
        hint={
          <>
            Its address begins with <code>{slugPreview(form.name.trim() === '' ? image.name : form.name)}-</code>
          </>
        }
      />
      {image.generic && (
        <>
          <Field
            {...text('reference')}
            label="Image"
            placeholder="name:tag"
            error={errors.image}
            hint="Which image, as the engine knows it. Which ones are allowed is up to the administrator."
          />
          <Field
            {...text('port')}
            label="Port"
            inputMode="numeric"
            error={errors.port}
            hint="Where it serves its pages. Left empty, the ports that the image exposes."
          />
        </>
      )}
      <EnvironmentFields image={image} rows={form.env} errors={errors} onChange={(env) => set({ env })} />
      <fieldset className={styles.group}>
        <legend>Limits</legend>
        <div className={styles.limits}>
          <Field {...text('cpus')} label="Processor cores" inputMode="decimal" error={errors['limits.cpus']} />
          <Field {...text('memory_mb')} label="Memory (MiB)" inputMode="numeric" error={errors['limits.memory_mb']} />
          <Field {...text('pids')} label="Processes" inputMode="numeric" error={errors['limits.pids']} />
        </div>
        <p className={styles.description}>Left empty, the image’s own hold.</p>
      </fieldset>
      <Others errors={errors} form={form} image={image} />
      {failure !== null && <Notice error={failure} />}
      <div className={styles.submit}>
        <Button type="submit" variant="primary" busy={busy}>
          Create container
        </Button>
      </div>
    </form>
  )
}

const SHOWN = ['name', 'limits.cpus', 'limits.memory_mb', 'limits.pids']
/** Which image it is, and where that listens, are asked of images that leave it open. */
const OPEN = ['image', 'port']

/** What is wrong with fields that this form does not have. */
function Others({ errors, form, image }: { errors: FieldErrors; form: ContainerForm; image: ImageView }) {
  const beside = (field: string) =>
    SHOWN.includes(field) ||
    (image.generic && OPEN.includes(field)) ||
    form.env.some((row) => field === `env.${row.key}`)
  const others = Object.entries(errors).filter(([field]) => !beside(field))
  if (others.length === 0) return null
  return (
    <Notice>
      {others.map(([field, problem]) => (
        <p key={field}>
          {field} {problem}
        </p>
      ))}
    </Notice>
  )
}
