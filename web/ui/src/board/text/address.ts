/** Others write what a link goes to; only these are followed. */
export function safeAddress(text: unknown): string | null {
  if (typeof text !== 'string' || !URL.canParse(text)) return null
  return /^(https?|mailto):$/.test(new URL(text).protocol) ? text : null
}
