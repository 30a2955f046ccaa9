/** Longest name in a slug, as the gateway makes them. */
const NAME_MAX = 40

/** The slug that a container of this name will have, but for the six letters that the gateway adds. */
export function slugPreview(name: string): string {
  const label = name
    .replace(/[^a-z0-9]+/gi, '-')
    .toLowerCase()
    .replace(/^-+/, '')
    .slice(0, NAME_MAX)
    .replace(/-+$/, '')
  if (label === '') return 'container'
  return /^(\d|(uc|org)(-|$))/.test(label) ? `c-${label}` : label
}
