import { useEffect, useState } from 'react'
import { Button, type ButtonProps } from './Button'
import { useToast } from './Toast'

interface CopyProps extends Omit<ButtonProps, 'onClick' | 'icon'> {
  /** What is copied. */
  text: string
  /** What it is called: "Copy URL". */
  label: string
  /** Shows the icon alone. */
  bare?: boolean
}

/** Copies a text, and says that it did. */
export function CopyButton({ text, label, bare = false, ...rest }: CopyProps) {
  const [copied, setCopied] = useState(false)
  const toast = useToast()
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 2_000)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = async () => {
    if (await write(text)) setCopied(true)
    else toast.failed(new Error('the browser does not let this page copy; select the text instead'))
  }
  const says = copied ? 'Copied' : label
  return (
    <>
      <Button {...rest} icon={copied ? 'check' : 'copy'} aria-label={bare ? says : undefined} onClick={copy}>
        {bare ? undefined : says}
      </Button>
      <span className="visually-hidden" role="status">
        {copied ? 'Copied' : ''}
      </span>
    </>
  )
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return writeBySelection(text)
  }
}

/** Pages that came over plain HTTP have no clipboard of their own, and Orrery may run in a local network. */
function writeBySelection(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'visually-hidden'
  // In a modal dialog, only what is inside can be selected.
  const place = document.querySelector('dialog[open]') ?? document.body
  const before = document.activeElement
  place.append(area)
  area.select()
  // Deprecated, and the only way there is without a secure context.
  const copied = document.execCommand('copy')
  area.remove()
  if (before instanceof HTMLElement) before.focus()
  return copied
}
