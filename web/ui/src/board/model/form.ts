import type { Command, Environment, Limits } from '../connection/commands'
import type { ImageView } from './images'

/** A new container as it is filled in. */
export interface ContainerForm {
  name: string
  reference: string
  port: string
  env: readonly EnvironmentRow[]
  cpus: string
  memory_mb: string
  pids: string
}

export interface EnvironmentRow {
  /** For lists. */
  key: number
  name: string
  value: string
  secret: boolean
  /** Declared by the image: neither its name nor whether it is a secret can be changed. */
  declared: boolean
}

export type FieldErrors = Readonly<Record<string, string>>

export function emptyForm(image: ImageView): ContainerForm {
  const env = image.env.map((variable, key) => ({
    key,
    name: variable.name,
    value: variable.default ?? '',
    secret: variable.secret,
    declared: true,
  }))
  return { name: '', reference: '', port: '', env, cpus: '', memory_mb: '', pids: '' }
}

type NewContainer = Omit<Extract<Command, { type: 'user-containers:new' }>, 'type'>

/** The command that a form asks for, or what is wrong with which field. The gateway has the last word on both. */
export function readForm(form: ContainerForm, image: ImageView): { command: NewContainer } | { errors: FieldErrors } {
  const errors: Record<string, string> = {}
  const env: Environment = {}
  for (const row of form.env) {
    const name = row.name.trim()
    const declared = image.env.find((variable) => variable.name === name)
    if (name === '' && row.value === '') continue
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) errors[`env.${row.key}`] = 'needs a name of letters, digits and _'
    else if (Object.hasOwn(env, name)) errors[`env.${row.key}`] = 'stands there twice'
    else if (row.value === '' && declared?.required) errors[`env.${row.key}`] = 'is needed'
    else if (row.value !== '' && row.value !== declared?.default) {
      env[name] = row.secret ? { value: row.value, secret: true } : row.value
    }
  }
  const limits: Limits = {}
  for (const field of ['cpus', 'memory_mb', 'pids'] as const) {
    const text = form[field].trim().replace(',', '.')
    if (text === '') continue
    const number = Number(text)
    if (!(number > 0 && Number.isFinite(number))) errors[`limits.${field}`] = 'must be a number'
    else if (field !== 'cpus' && !Number.isInteger(number)) errors[`limits.${field}`] = 'must be a whole number'
    else limits[field] = number
  }
  const port = form.port.trim()
  if (port !== '' && !isPort(Number(port))) errors.port = 'must be from 1 to 65535'
  const reference = form.reference.trim()
  if (image.generic && reference === '') errors.image = 'is needed'
  if (Object.keys(errors).length > 0) return { errors }
  const command: NewContainer = {
    name: form.name.trim(),
    image: image.generic ? `${image.id}/${reference}` : image.id,
  }
  if (Object.keys(env).length > 0) command.env = env
  if (Object.keys(limits).length > 0) command.limits = limits
  if (image.generic && port !== '') command.port = Number(port)
  return { command }
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= 65535
}

/** What the gateway says of fields, under the names that this form has for them. */
export function placeErrors(fields: FieldErrors, form: ContainerForm): FieldErrors {
  return Object.fromEntries(
    Object.entries(fields).map(([field, problem]) => {
      const name = /^env\.([^.]+)/.exec(field)?.[1]
      const row = form.env.find((row) => row.name.trim() === name)
      return [row === undefined ? field : `env.${row.key}`, problem]
    }),
  )
}
