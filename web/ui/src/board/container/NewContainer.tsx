import { useMemo, useState } from 'react'
import { Empty, SearchField, Spinner } from '../../design'
import { usePlace } from '../canvas/usePlace'
import { useCell } from '../cell'
import { useAround } from '../context'
import { matcher } from '../model/filter'
import type { ImageView } from '../model/images'
import { SIZES } from '../model/nodes'
import { PanelFrame } from '../page/PanelFrame'
import { ContainerFields } from './ContainerFields'
import { ImageSign } from './ImageSign'
import styles from './NewContainer.module.css'

/** From the catalogue to a new container: first what it is made from, then the rest. */
export function NewContainer({ onClose }: { onClose: () => void }) {
  const { workspace, open, show } = useAround()
  const images = useCell(workspace.images)
  const known = useCell(workspace.known)
  const [chosen, setChosen] = useState<string | null>(null)
  const place = usePlace(open)
  const image = chosen === null ? undefined : images.get(chosen)
  const created = (container: string) => {
    open.board.addCard(place(SIZES.container), container)
    show({ kind: 'container', id: container })
  }
  return (
    <PanelFrame label="New container" title="New container" onClose={onClose}>
      {!known ? (
        <Spinner large label="Asking for the catalogue" />
      ) : image === undefined ? (
        <Catalogue images={[...images.values()]} onChoose={setChosen} />
      ) : (
        <ContainerFields key={image.id} image={image} onBack={() => setChosen(null)} onCreated={created} />
      )}
    </PanelFrame>
  )
}

function Catalogue({ images, onChoose }: { images: ImageView[]; onChoose: (id: string) => void }) {
  const [query, setQuery] = useState('')
  const found = useMemo(() => {
    const matches = matcher(query)
    const last = (image: ImageView) => (image.generic ? 1 : 0)
    return images
      .filter((image) => matches(image.name, image.description, image.category, image.id))
      .sort((a, b) => last(a) - last(b) || a.name.localeCompare(b.name))
  }, [images, query])
  if (images.length === 0) {
    return (
      <div className={styles.catalogue}>
        <Empty title="The catalogue is empty">Whoever administers this installation adds images to it.</Empty>
      </div>
    )
  }
  return (
    <div className={styles.catalogue}>
      <SearchField label="Search the catalogue" placeholder="Search the catalogue" value={query} onChange={setQuery} />
      <ul className={styles.images}>
        {found.map((image) => (
          <li key={image.id}>
            <button type="button" className={styles.image} onClick={() => onChoose(image.id)}>
              <ImageSign image={image} />
              <span>
                <strong>{image.name}</strong>
                <span className={styles.description}>{image.description}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className={styles.none}>No image matches “{query}”.</p>}
    </div>
  )
}
