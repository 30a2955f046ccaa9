import { sessions as api, type Session } from '../../api'
import { Ago, Badge, Button, useToast } from '../../design'
import { useResource, valueOf } from '../../resource'
import { Loading } from '../../resource/Loading'
import forms from '../forms.module.css'
import rows from '../rows.module.css'
import styles from './KeysSection.module.css'

/** Where one is signed in. */
export function SessionsSection() {
  const loaded = useResource(api.list)
  const toast = useToast()
  const others = valueOf(loaded.state)?.some(({ current }) => !current) ?? false
  const end = (ending: Promise<void>, ended: (session: Session) => boolean, done: string) =>
    void ending.then(() => {
      loaded.replace((list) => list.filter((session) => !ended(session)))
      toast.done(done)
    }, toast.failed)
  const endOthers = () => end(api.endOthers(), ({ current }) => !current, 'You are signed in here only')
  const endOne = ({ id }: Session) => end(api.end(id), (session) => session.id === id, 'The session has ended')
  return (
    <section className={forms.section} aria-labelledby="sessions">
      <div className={styles.heading}>
        <h2 id="sessions">Sessions</h2>
        {others && <Button onClick={endOthers}>End all others</Button>}
      </div>
      <p className={styles.lead}>Where you are signed in. What a session opened, such as a container, ends with it.</p>
      <Loading of={loaded}>
        {(list) => (
          <ul className={rows.inside} aria-label="Sessions">
            {list.map((session) => (
              <SessionRow key={session.id} session={session} onEnd={() => endOne(session)} />
            ))}
          </ul>
        )}
      </Loading>
    </section>
  )
}

function SessionRow({ session, onEnd }: { session: Session; onEnd: () => void }) {
  const { current, created_at, last_used_at } = session
  return (
    <li className={rows.row}>
      <div className={rows.words}>
        <strong>
          Signed in <Ago at={created_at} />
        </strong>
        {!current && (
          <span>
            Last used <Ago at={last_used_at} />
          </span>
        )}
      </div>
      {current ? (
        <Badge tone="good">this browser</Badge>
      ) : (
        <Button small variant="quiet" icon="leave" onClick={onEnd}>
          End<span className="visually-hidden"> this session</span>
        </Button>
      )}
    </li>
  )
}
