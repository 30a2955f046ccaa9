/** Whether all words of a query occur in one of the texts, however they are written. */
export function matcher(query: string): (...texts: string[]) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return () => true
  return (...texts) => {
    const text = texts.join('\n').toLowerCase()
    return words.every((word) => text.includes(word))
  }
}
