import styles from './Avatar.module.css'

// White reads on each of them, and each is told from the paper by day and by night.
const colours = [
  '#3d5cb8',
  '#a3492f',
  '#2d7255',
  '#7b4fa6',
  '#8a6412',
  '#a83a68',
  '#1f6f86',
  '#5f6b1e',
  '#6a5acd',
  '#8c4f4f',
]

/** The colour of somebody, the same wherever they appear. */
export function colourOf(seed: string): string {
  let hash = 0
  for (let at = 0; at < seed.length; at++) hash = (Math.imul(hash, 31) + seed.charCodeAt(at)) | 0
  return colours[Math.abs(hash) % colours.length] ?? '#3d5cb8'
}

/** Somebody's initials on their colour. The name is for readers of the screen; leave it out where it stands beside. */
export function Avatar({ name, seed, size = 32, alone = false }: AvatarProps) {
  return (
    <span
      className={styles.avatar}
      style={{ width: size, height: size, fontSize: size * 0.4, background: colourOf(seed) }}
      // Drawn by the style sheet: two letters are no word to be read or searched.
      data-initials={initials(name)}
      {...(alone ? { role: 'img', 'aria-label': name, title: name } : { 'aria-hidden': true })}
    />
  )
}

interface AvatarProps {
  name: string
  /** What decides the colour: the id of whoever it is. */
  seed: string
  /** In pixels. */
  size?: number
  /** No name stands beside it. */
  alone?: boolean
}

/** One or two letters of a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/)
  const [first = '', last = ''] = [words[0], words.length > 1 ? words.at(-1) : '']
  return ([...first][0] ?? '?').toUpperCase() + ([...last][0] ?? '').toUpperCase()
}
