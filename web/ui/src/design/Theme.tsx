import { useSyncExternalStore } from 'react'
import styles from './Theme.module.css'
import { Icon } from './Icon'

type Theme = 'light' | 'dark'

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

function current(): Theme {
  return switched ?? (dark.matches ? 'dark' : 'light')
}

function apply(): void {
  if (switched === null) delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = switched
  changed.forEach((listener) => listener())
}

/** Shows the theme that was chosen before; call it before the first page is drawn. */
export function restoreTheme(): void {
  apply()
  dark.addEventListener('change', apply)
}

/** Light or dark, as it is shown now. */
export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    changed.add(listener)
    return () => changed.delete(listener)
  }, current)
}

/** Back to the system's own choice if that is what the reader switches to. */
function switchTo(theme: Theme): void {
  switched = theme === (dark.matches ? 'dark' : 'light') ? null : theme
  try {
    if (switched === null) localStorage.removeItem(key)
    else localStorage.setItem(key, switched)
  } catch {
    // Then it holds for this visit.
  }
  apply()
}

export function ThemeSwitch() {
  const theme = useTheme()
  const other = theme === 'dark' ? 'light' : 'dark'
  return (
    <button
      type="button"
      className={styles.switch}
      aria-label={`Show the ${other} colours`}
      onClick={() => switchTo(other)}
    >
      <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
    </button>
  )
}
