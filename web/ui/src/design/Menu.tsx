import { useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import { Button } from './Button'
import { classes } from './classes'
import { Icon, type IconName } from './Icon'
import styles from './Menu.module.css'

export interface MenuItem {
  label: string
  icon?: IconName
  danger?: boolean
  /** The one of several that holds. */
  checked?: boolean
  onSelect: () => void
}

interface MenuProps {
  /** What the button is called, for readers of the screen if it shows something else. */
  label: string
  items: readonly MenuItem[]
  /** What the button shows; three dots, if nothing. */
  children?: ReactNode
  /** Said above the items. */
  heading?: ReactNode
  align?: 'start' | 'end'
  className?: string | undefined
}

/** A button that opens a list of things to do. Arrows, Home, End, first letters and Escape work as in any menu. */
export function Menu({ label, items, children, heading, align = 'end', className }: MenuProps) {
  const [open, setOpen] = useState(false)
  const around = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const popup = useRef<HTMLDivElement>(null)
  const id = useId()

  useLayoutEffect(() => {
    if (open && popup.current !== null) keepInSight(popup.current)
  }, [open])

  useEffect(() => {
    if (!open) return
    const list = around.current?.querySelectorAll<HTMLElement>('[role^=menuitem]')
    list?.[0]?.focus()
    const away = (event: Event) => {
      if (!around.current?.contains(event.target as Node)) setOpen(false)
    }
    document.addEventListener('pointerdown', away)
    document.addEventListener('focusin', away)
    return () => {
      document.removeEventListener('pointerdown', away)
      document.removeEventListener('focusin', away)
    }
  }, [open])

  const close = () => {
    setOpen(false)
    button.current?.focus()
  }
  const shared = {
    ref: button,
    'aria-haspopup': 'menu' as const,
    'aria-expanded': open,
    'aria-controls': open ? id : undefined,
    onClick: () => setOpen(!open),
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key !== 'ArrowDown') return
      event.preventDefault()
      setOpen(true)
    },
  }
  return (
    <div ref={around} className={styles.around}>
      {children === undefined ? (
        <Button {...shared} variant="quiet" icon="more" aria-label={label} className={className} />
      ) : (
        <button {...shared} type="button" aria-label={label} className={classes(styles.custom, className)}>
          {children}
        </button>
      )}
      {open && (
        <div ref={popup} className={classes(styles.popup, styles[align])}>
          {heading !== undefined && <div className={styles.heading}>{heading}</div>}
          <div id={id} role="menu" aria-label={label} onKeyDown={(event) => steer(event, close)}>
            {items.map((item) => (
              <button
                key={item.label}
                type="button"
                role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
                aria-checked={item.checked}
                tabIndex={-1}
                className={classes(styles.item, item.danger && styles.danger)}
                onClick={() => {
                  close()
                  item.onSelect()
                }}
              >
                {item.icon && <Icon name={item.icon} />}
                <span className={styles.label}>{item.label}</span>
                {item.checked && <Icon name="check" size={16} />}
              </button>
            ))}
          </div>
        </div>
      )}
    </div>
  )
}

/** From the edge of the window, in pixels. */
const MARGIN = 8

/** Shifts what would stand beyond the left or right edge of the window, where nobody could scroll to it. */
function keepInSight(popup: HTMLElement): void {
  const { left, right } = popup.getBoundingClientRect()
  const beyond = Math.max(0, MARGIN - left) || Math.min(0, document.documentElement.clientWidth - MARGIN - right)
  popup.style.translate = `${beyond}px`
}

function steer(event: KeyboardEvent<HTMLElement>, close: () => void): void {
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role^=menuitem]')]
  const at = items.indexOf(document.activeElement as HTMLElement)
  const next = target(event.key, items, at)
  if (event.key === 'Escape' || event.key === 'Tab') close()
  if (event.key === 'Escape' || next !== undefined) {
    event.preventDefault()
    event.stopPropagation()
  }
  next?.focus()
}

function target(key: string, items: HTMLElement[], at: number): HTMLElement | undefined {
  switch (key) {
    case 'ArrowDown':
      return items[(at + 1) % items.length]
    case 'ArrowUp':
      return items.at(at - 1)
    case 'Home':
      return items[0]
    case 'End':
      return items.at(-1)
    default: {
      if (key.length !== 1 || key === ' ') return undefined
      const after = [...items.slice(at + 1), ...items.slice(0, at + 1)]
      return after.find((item) => item.textContent.toLowerCase().startsWith(key.toLowerCase()))
    }
  }
}
