import { classes } from './classes'
import fields from './Field.module.css'
import styles from './SearchField.module.css'

interface SearchFieldProps {
  /** For readers of the screen: what is searched. */
  label: string
  placeholder: string
  value: string
  small?: boolean
  onChange: (value: string) => void
}

/** A field that narrows what stands below it. */
export function SearchField({ label, placeholder, value, small = false, onChange }: SearchFieldProps) {
  return (
    <input
      type="search"
      className={classes(fields.input, styles.search, small && styles.small)}
      aria-label={label}
      placeholder={placeholder}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  )
}
