import { useEffect, useState, type ComponentType } from 'react'
import { Notice, Spinner } from '../design'
import styles from './part.module.css'

/** A component that comes when it is first shown, or sooner if it is prepared. */
type Part<P> = ComponentType<P> & { prepare: () => void }

/**
 * A part of the client that is fetched when it is first shown. It says that it is on its way, and what is wrong if it does not
 * come: there may be no network, or a newer version in its place. What is shown around it stays.
 */
export function partOf<P extends object>(label: string, fetchPart: () => Promise<ComponentType<P>>): Part<P> {
  let here: { View: ComponentType<P> } | null = null
  const load = async () => (here ??= { View: await fetchPart() })

  function Shown(props: P) {
    const [part, setPart] = useState(here)
    const [failed, setFailed] = useState(false)
    useEffect(() => {
      if (part !== null || failed) return
      let wanted = true
      load().then(
        (part) => {
          if (wanted) setPart(part)
        },
        () => {
          if (wanted) setFailed(true)
        },
      )
      return () => {
        wanted = false
      }
    }, [part, failed])
    if (part !== null) return <part.View {...props} />
    if (!failed) return <Spinner large label={label} />
    return (
      <div className={styles.missing}>
        <Notice onRetry={() => setFailed(false)}>
          <p>This part of the page did not come. If it does not come the next time either, load the page anew.</p>
        </Notice>
      </div>
    )
  }

  // Whoever shows it asks again, and says what is wrong.
  return Object.assign(Shown, { prepare: () => void load().catch(() => undefined) })
}
