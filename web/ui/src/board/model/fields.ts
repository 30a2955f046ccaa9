/** Reading of values that others wrote: what is not as expected is absent, and nothing throws. */
export interface Fields {
  text(name: string): string | null
  number(name: string): number | null
  flag(name: string): boolean | null
  list(name: string): readonly unknown[]
  map(name: string): Fields
  /** Texts directly in it, and maps, by key. */
  entries(): [string, unknown][]
}

/** Of a plain object, as `toJSON` of a shared type gives it. */
export function fieldsOf(value: unknown): Fields {
  const object = isObject(value) ? value : {}
  const get = (name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined)
  return {
    text: (name) => textOf(get(name)),
    number: (name) => numberOf(get(name)),
    flag: (name) => (typeof get(name) === 'boolean' ? (get(name) as boolean) : null),
    list: (name) => {
      const list = get(name)
      return Array.isArray(list) ? (list as unknown[]) : []
    },
    map: (name) => fieldsOf(get(name)),
    entries: () => Object.entries(object),
  }
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
