import type { Org, Project } from '../../api'
import { Button } from '../../design'
import { Link, paths } from '../../router'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import { PeopleRow } from './PeopleRow'
import { StatusBadge } from './StatusBadge'
import styles from './TopBar.module.css'

export type View = 'board' | 'list'

interface TopBarProps {
  project: Project
  org: Org
  /** On a narrow screen, what is shown; null on a wide one. */
  view: View | null
  onView: (view: View) => void
  /** Whether the list of containers stands beside the board. */
  listed: boolean
  onList: (listed: boolean) => void
}

/** Where one is, whether all is saved, and who else is here. */
export function TopBar({ project, org, view, onView, listed, onList }: TopBarProps) {
  const { mayWrite } = useAround()
  return (
    <header className={styles.bar}>
      <div className={styles.place}>
        <Link to={paths.org(org.id)} className={styles.org}>
          {org.name}
        </Link>
        <span aria-hidden="true" className={styles.slash}>
          /
        </span>
        <h1 className={styles.name}>{project.name}</h1>
      </div>
      <StatusBadge />
      {!mayWrite && (
        <span className={styles.viewer} title="An administrator of the project can let you write.">
          You are a viewer
        </span>
      )}
      <div className={styles.end}>
        {view === null ? (
          <Button variant="quiet" small aria-pressed={listed} onClick={() => onList(!listed)}>
            <Glyph name="list" /> Containers
          </Button>
        ) : (
          <div role="group" aria-label="Show as" className={styles.views}>
            {(['list', 'board'] as const).map((each) => (
              <Button key={each} variant="quiet" small aria-pressed={view === each} onClick={() => onView(each)}>
                {each === 'list' ? 'List' : 'Board'}
              </Button>
            ))}
          </div>
        )}
        <PeopleRow />
      </div>
    </header>
  )
}
