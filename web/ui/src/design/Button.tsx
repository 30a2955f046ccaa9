import type { ComponentProps, ReactNode } from 'react'
import { Link, type LinkProps } from '../router'
import styles from './Button.module.css'
import { classes } from './classes'
import { Icon, type IconName } from './Icon'
import { Spinner } from './Spinner'

type Variant = 'primary' | 'secondary' | 'quiet' | 'danger'

interface Looks {
  variant?: Variant
  small?: boolean
  icon?: IconName
  children?: ReactNode
}

export interface ButtonProps extends ComponentProps<'button'>, Looks {
  /** Under way: it cannot be pressed again, and keeps its place for the keyboard. */
  busy?: boolean
}

/** A button. Without children it needs an `aria-label`. */
export function Button({ variant = 'secondary', small, icon, busy, children, className, ...rest }: ButtonProps) {
  const onClick = busy ? undefined : rest.onClick
  return (
    <button
      type="button"
      {...rest}
      onClick={onClick}
      aria-busy={busy ?? undefined}
      aria-disabled={busy ?? undefined}
      className={classes(look(variant, small, children), className)}
    >
      {busy ? <Spinner label="Under way" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  )
}

/** A link that looks like a button, for what goes somewhere. */
export function LinkButton({ variant = 'secondary', small, icon, children, className, ...rest }: LinkProps & Looks) {
  return (
    <Link {...rest} className={classes(look(variant, small, children), className)}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  )
}

function look(variant: Variant, small: boolean | undefined, children: ReactNode): string {
  const bare = children === undefined || children === null
  return classes(styles.button, styles[variant], small && styles.tight, bare && styles.bare)
}
