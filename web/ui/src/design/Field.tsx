import { useId, type ComponentProps, type ReactNode } from 'react'
import { classes } from './classes'
import styles from './Field.module.css'
import { Icon } from './Icon'

interface Around {
  label: ReactNode
  /** What helps to fill it in. */
  hint?: ReactNode
  /** What is wrong with it, beside it and tied to it. */
  error?: string | undefined
  /** The label is for readers of the screen alone: what stands beside the field says it to everybody else. */
  labelHidden?: boolean
}

export interface FieldProps extends Omit<ComponentProps<'input'>, 'children'>, Around {}

/** A text field with its label, hint and error. */
export function Field({ label, hint, error, labelHidden, className, ...rest }: FieldProps) {
  const { id, described, around } = useAround({ label, hint, error, labelHidden }, rest.id)
  return around(
    className,
    <input
      {...rest}
      id={id}
      className={styles.input}
      aria-invalid={error !== undefined}
      aria-describedby={described}
    />,
  )
}

/** A choice of few, with its label, hint and error. */
export function SelectField({
  label,
  hint,
  error,
  labelHidden,
  className,
  children,
  ...rest
}: ComponentProps<'select'> & Around) {
  const { id, described, around } = useAround({ label, hint, error, labelHidden }, rest.id)
  return around(
    className,
    <span className={styles.select}>
      <select
        {...rest}
        id={id}
        className={styles.input}
        aria-invalid={error !== undefined}
        aria-describedby={described}
      >
        {children}
      </select>
      <Icon name="chevron" size={16} />
    </span>,
  )
}

function useAround({ label, hint, error, labelHidden }: Around, given?: string) {
  const own = useId()
  const id = given ?? own
  const ids = { hint: `${id}-hint`, error: `${id}-error` }
  const described = classes(hint !== undefined && ids.hint, error !== undefined && ids.error) || undefined
  const around = (className: string | undefined, control: ReactNode) => (
    <div className={classes(styles.field, className)}>
      <label htmlFor={id} className={labelHidden ? 'visually-hidden' : undefined}>
        {label}
      </label>
      {control}
      {error !== undefined && (
        <p id={ids.error} className={styles.error}>
          <Icon name="warning" size={15} /> {sentence(error)}
        </p>
      )}
      {hint !== undefined && (
        <p id={ids.hint} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  )
  return { id, described, around }
}

/** The API says what a good one is, `is 1 to 80 visible characters`; beside a bad one that is a demand. */
export function sentence(problem: string): string {
  const text = problem.replace(/^is (?=\d|an? )/, 'must be ')
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.')
}
