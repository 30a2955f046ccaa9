import { useSyncExternalStore } from 'react'
import styles from './ThemeSwitch.module.css'
import { Icon } from './Icon'
import { current, onThemeChange, switchTo, type Theme } from './theme'

/** Light or dark, as it is shown now. */
export function useTheme(): Theme {
  return useSyncExternalStore(onThemeChange, current)
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
