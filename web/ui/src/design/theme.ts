// Light or dark: the reader's system decides, unless somebody switched. The first script of every page asks, before anything
// is drawn.

export type Theme = 'light' | 'dark'

const key = 'orrery-theme'
const dark = window.matchMedia('(prefers-color-scheme: dark)')
const changed = new Set<() => void>()

function stored(): Theme | null {
  try {
    const theme = localStorage.getItem(key)
    return theme === 'light' || theme === 'dark' ? theme : null
  } catch {
    // The reader's browser keeps nothing for us.
    return null
  }
}

let switched: Theme | null = stored()

/** Light or dark, as it is shown now. */
export function current(): Theme {
  return switched ?? (dark.matches ? 'dark' : 'light')
}

function apply(): void {
  if (switched === null) delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = switched
  changed.forEach((listener) => listener())
}

/** Shows the theme that was chosen before. */
export function restoreTheme(): void {
  apply()
  dark.addEventListener('change', apply)
}

/** Calls back when it changes. Returns how to stop. */
export function onThemeChange(listener: () => void): () => void {
  changed.add(listener)
  return () => changed.delete(listener)
}

/** Back to the system's own choice if that is what the reader switches to. */
export function switchTo(theme: Theme): void {
  switched = theme === (dark.matches ? 'dark' : 'light') ? null : theme
  try {
    if (switched === null) localStorage.removeItem(key)
    else localStorage.setItem(key, switched)
  } catch {
    // Then it holds for this visit.
  }
  apply()
}
