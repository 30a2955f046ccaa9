import { Avatar } from '../../design'
import { useCell } from '../cell'
import { useAround } from '../context'
import { distinct } from '../model/people'
import styles from './PeopleRow.module.css'

const SHOWN = 5

/** Who is here. */
export function PeopleRow() {
  const { workspace, open } = useAround()
  const { self } = workspace.session
  const others = distinct(useCell(open.people.others)).filter((person) => person.id !== self.id)
  const rest = others.length - SHOWN
  return (
    <ul className={styles.people} aria-label="People here">
      {others.slice(0, SHOWN).map((person) => (
        <li key={person.id}>
          <Avatar name={person.name} seed={person.id} size={28} alone />
        </li>
      ))}
      {rest > 0 && (
        <li
          className={styles.rest}
          title={others
            .slice(SHOWN)
            .map((person) => person.name)
            .join(', ')}
        >
          +{rest}
        </li>
      )}
      <li title="You">
        <Avatar name={self.name} seed={self.id} size={28} />
        <span className="visually-hidden">You</span>
      </li>
    </ul>
  )
}
