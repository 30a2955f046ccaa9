import type { Extension } from '@codemirror/state'

/** Languages of code documents; each is loaded when a document of it is first opened. */
export const LANGUAGES: Record<string, { label: string; load: () => Promise<Extension> }> = {
  text: { label: 'Plain text', load: () => Promise.resolve([]) },
  javascript: {
    label: 'JavaScript',
    load: async () => (await import('@codemirror/lang-javascript')).javascript(),
  },
  typescript: {
    label: 'TypeScript',
    load: async () =>
      (await import('@codemirror/lang-javascript')).javascript({
        typescript: true,
        jsx: true,
      }),
  },
  python: {
    label: 'Python',
    load: async () => (await import('@codemirror/lang-python')).python(),
  },
  rust: {
    label: 'Rust',
    load: async () => (await import('@codemirror/lang-rust')).rust(),
  },
  sql: {
    label: 'SQL',
    load: async () => (await import('@codemirror/lang-sql')).sql(),
  },
  json: {
    label: 'JSON',
    load: async () => (await import('@codemirror/lang-json')).json(),
  },
  html: {
    label: 'HTML',
    load: async () => (await import('@codemirror/lang-html')).html(),
  },
  css: {
    label: 'CSS',
    load: async () => (await import('@codemirror/lang-css')).css(),
  },
  markdown: {
    label: 'Markdown',
    load: async () => (await import('@codemirror/lang-markdown')).markdown(),
  },
}

export function languageLabel(language: string): string {
  return (Object.hasOwn(LANGUAGES, language) ? LANGUAGES[language]?.label : undefined) ?? language
}

/** Nothing for a language of a later version: the text is shown as it is. */
export async function loadLanguage(language: string): Promise<Extension> {
  const known = Object.hasOwn(LANGUAGES, language) ? LANGUAGES[language] : undefined
  return (await known?.load()) ?? []
}
