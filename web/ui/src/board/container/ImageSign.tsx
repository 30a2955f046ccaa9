import { Glyph, type GlyphName } from '../Glyph'
import type { ImageView } from '../model/images'
import styles from './ImageSign.module.css'

const GLYPHS: Record<string, GlyphName> = {
  notebook: 'note',
  editor: 'code',
  database: 'database',
  automation: 'flow',
  terminal: 'terminal',
}

/** A sign for what an image is good for. */
export function ImageSign({ image }: { image: ImageView }) {
  return (
    <span className={styles.sign}>
      <Glyph name={GLYPHS[image.category] ?? 'container'} size={20} />
    </span>
  )
}
