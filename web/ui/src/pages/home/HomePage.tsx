import { useState } from 'react'
import { orgs, type Org } from '../../api'
import { Avatar, Badge, Button, Empty, Icon, Page } from '../../design'
import { useResource, useWhileVisible, valueOf } from '../../resource'
import { Loading } from '../../resource/Loading'
import { Link, navigate, paths } from '../../router'
import { NameDialog } from '../NameDialog'
import { roleTone } from '../roles'
import styles from './HomePage.module.css'

/** How often the list is asked for again: others add one to theirs. */
const refreshMs = 15_000

/** Every organization that one is a member of. */
export default function HomePage() {
  const loaded = useResource(orgs.list)
  useWhileVisible(loaded.refresh, refreshMs)
  const [creating, setCreating] = useState(false)
  const create = async (name: string) => {
    const org = await orgs.create(name)
    navigate(paths.org(org.id))
  }
  const button = (
    <Button variant="primary" icon="add" onClick={() => setCreating(true)}>
      New organization
    </Button>
  )
  return (
    <Page
      title="Organizations"
      lead="An organization holds projects and the people who work in them."
      actions={(valueOf(loaded.state)?.length ?? 0) > 0 && button}
    >
      <Loading of={loaded} label="Looking up your organizations">
        {(list) =>
          list.length === 0 ? (
            <Empty title="No organization yet" action={button}>
              Make one for your team. If somebody else has one, ask them to add the e-mail address of your account.
            </Empty>
          ) : (
            <OrgList orgs={list} />
          )
        }
      </Loading>
      {creating && (
        <NameDialog
          title="New organization"
          label="Name of the organization"
          action="Make organization"
          onSubmit={create}
          onClose={() => setCreating(false)}
        />
      )}
    </Page>
  )
}

function OrgList({ orgs }: { orgs: readonly Org[] }) {
  return (
    <ul className={styles.list}>
      {orgs.map((org) => (
        <li key={org.id}>
          <Link to={paths.org(org.id)} className={styles.card}>
            <Avatar name={org.name} seed={org.id} size={40} />
            <span className={styles.words}>
              <span className={styles.name} title={org.name}>
                {org.name}
              </span>
              <Badge tone={roleTone[org.role]}>{org.role}</Badge>
            </span>
            <Icon name="back" size={16} />
          </Link>
        </li>
      ))}
    </ul>
  )
}
