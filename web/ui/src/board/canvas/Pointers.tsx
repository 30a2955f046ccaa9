import { useStore, ViewportPortal } from '@xyflow/react'
import { useCell } from '../cell'
import { useAround } from '../context'
import styles from './Pointers.module.css'

/** Where others point at. The size stays the same however near the board is. */
export function Pointers() {
  const { open } = useAround()
  const people = useCell(open.people.others)
  const pointers = useCell(open.people.pointers)
  const zoom = useStore((state) => state.transform[2])
  return (
    <ViewportPortal>
      {people.map((person) => {
        const at = pointers.get(person.client)
        if (at === undefined) return null
        return (
          <div
            key={person.client}
            className={styles.pointer}
            style={{
              transform: `translate(${at.x}px, ${at.y}px) scale(${1 / zoom})`,
              color: person.color,
            }}
            aria-hidden="true"
          >
            <svg width="18" height="20" viewBox="0 0 18 20">
              <path
                d="M2 1.5l13.5 8-6 1.5-3.2 5.6z"
                fill="currentColor"
                stroke="#fff"
                strokeWidth="1.5"
                strokeLinejoin="round"
              />
            </svg>
            <span className={styles.name} style={{ background: person.color }}>
              {person.name}
            </span>
          </div>
        )
      })}
    </ViewportPortal>
  )
}
