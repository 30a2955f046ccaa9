import { fieldsOf, textOf } from './fields'

export interface ImageVariable {
  name: string
  description: string
  required: boolean
  secret: boolean
  default: string | null
}

/** An image of the catalogue. */
export interface ImageView {
  id: string
  name: string
  description: string
  category: string
  type: string
  services: readonly string[]
  env: readonly ImageVariable[]
  /** Each container says itself which image it is made from. */
  generic: boolean
}

/** Reads one entry of `images`. Variables come as a list, or by name. */
export function readImage(id: string, value: unknown): ImageView {
  const image = fieldsOf(value)
  const env = image.list('env')
  const variables: [string | null, unknown][] =
    env.length > 0 ? env.map((value) => [fieldsOf(value).text('name'), value]) : image.map('env').entries()
  return {
    id,
    name: image.text('name') ?? id,
    description: image.text('description') ?? '',
    category: image.text('category') ?? 'other',
    type: image.text('container_type') ?? image.text('containerType') ?? 'generic',
    services: image.list('services').flatMap((service) => textOf(service) ?? fieldsOf(service).text('name') ?? []),
    env: variables.flatMap(([name, value]) => (name === null ? [] : readVariable(name, value))),
    generic: image.flag('generic') ?? image.flag('open') ?? false,
  }
}

function readVariable(name: string, value: unknown): ImageVariable {
  const variable = fieldsOf(value)
  return {
    name,
    description: variable.text('description') ?? '',
    required: variable.flag('required') ?? false,
    secret: variable.flag('secret') ?? false,
    default: variable.text('default'),
  }
}
