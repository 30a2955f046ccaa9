import { useState } from 'react'
import styles from './TitleField.module.css'

interface TitleFieldProps {
  value: string
  placeholder: string
  label: string
  editable: boolean
  onChange: (value: string) => void
}

const LONGEST = 120

/** A title that can be written over where it stands. Written once it is whole: Enter, or on leaving it. */
export function TitleField({ value, placeholder, label, editable, onChange }: TitleFieldProps) {
  const [draft, setDraft] = useState<string | null>(null)
  if (!editable) return <span>{value === '' ? placeholder : value}</span>
  const finish = () => {
    const text = draft?.trim()
    if (text !== undefined && text !== value) onChange(text)
    setDraft(null)
  }
  return (
    <input
      className={styles.field}
      aria-label={label}
      placeholder={placeholder}
      maxLength={LONGEST}
      value={draft ?? value}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={finish}
      onKeyDown={(event) => {
        if (event.key === 'Enter') event.currentTarget.blur()
        if (event.key !== 'Escape') return
        event.preventDefault()
        setDraft(null)
      }}
    />
  )
}
