import { useEffect } from 'react'
import { useCell } from '../cell'
import { useAround } from '../context'
import type { ContainerView } from '../model/containers'
import styles from './PullBar.module.css'

/** How much of its image is here, while it is fetched. */
export function PullBar({ container }: { container: ContainerView }) {
  return container.phase === 'pending' && container.desired === 'running' ? <Pulling id={container.id} /> : null
}

function Pulling({ id }: { id: string }) {
  const { live } = useAround().workspace
  useEffect(() => live.listen(), [live])
  const pull = useCell(live.pulls).get(id)
  if (pull === undefined) return null
  const percent = Math.round(pull.percent)
  return (
    <div className={styles.pull}>
      <progress className={styles.bar} max={100} value={percent} aria-label="Fetching the image" />
      <span>Fetching the image, {percent} %</span>
    </div>
  )
}
