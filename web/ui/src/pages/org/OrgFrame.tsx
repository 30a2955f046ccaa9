import { useCallback, useState, type ReactNode } from 'react'
import { orgs, type Org } from '../../api'
import { Badge, ConfirmDialog, LinkButton, Menu, Notice, Page, Spinner, useToast } from '../../design'
import { classes } from '../../design/classes'
import tabs from '../../design/tabs.module.css'
import { useResource, useWhileVisible, valueOf } from '../../resource'
import { Link, navigate, paths } from '../../router'
import { NameDialog } from '../NameDialog'
import { roleTone } from '../roles'
import styles from './OrgFrame.module.css'

/** How often it is asked for again: one's own role may change, or end. */
const refreshMs = 15_000

interface OrgFrameProps {
  id: string
  here: 'projects' | 'members'
  actions?: (org: Org) => ReactNode
  children: (org: Org) => ReactNode
}

/** What the pages of an organization share: its name, what one is in it, and the way between them. */
export function OrgFrame({ id, here, actions, children }: OrgFrameProps) {
  const load = useCallback((signal: AbortSignal) => orgs.show(id, signal), [id])
  const { state, reload, refresh, replace } = useResource(load)
  useWhileVisible(refresh, refreshMs)
  const gone = state.name === 'failed' && (state.error.status === 404 || state.error.status === 400)
  const org = gone ? undefined : valueOf(state)
  if (org !== undefined) {
    return (
      <Page
        title={here === 'members' ? `Members of ${org.name}` : org.name}
        above={<Link to={paths.home()}>Organizations</Link>}
        actions={
          <>
            {actions?.(org)}
            {org.role === 'owner' && <More org={org} onRenamed={(renamed) => replace(() => renamed)} />}
          </>
        }
      >
        <nav aria-label="Organization" className={classes(tabs.tabs, styles.parts)}>
          <Link to={paths.org(id)} aria-current={here === 'projects' ? 'page' : undefined}>
            Projects
          </Link>
          <Link to={paths.members(id)} aria-current={here === 'members' ? 'page' : undefined}>
            Members
          </Link>
          <span className={styles.role}>
            You are <Badge tone={roleTone[org.role]}>{org.role}</Badge>
          </span>
        </nav>
        {children(org)}
      </Page>
    )
  }
  if (state.name !== 'failed') return <Spinner large label="Opening the organization" />
  if (!gone) {
    return (
      <Page title="The organization does not open">
        <Notice error={state.error} onRetry={reload} />
      </Page>
    )
  }
  return (
    <Page title="There is no such organization" lead="It may be gone, or you are no member of it any more.">
      <LinkButton to={paths.home()}>Your organizations</LinkButton>
    </Page>
  )
}

/** What only owners do. */
function More({ org, onRenamed }: { org: Org; onRenamed: (org: Org) => void }) {
  const [asked, setAsked] = useState<'rename' | 'delete'>()
  const close = () => setAsked(undefined)
  return (
    <>
      <Menu
        label="More about this organization"
        items={[
          { label: 'Rename organization', icon: 'edit', onSelect: () => setAsked('rename') },
          { label: 'Delete organization', icon: 'trash', danger: true, onSelect: () => setAsked('delete') },
        ]}
      />
      {asked === 'rename' && (
        <NameDialog
          title="Rename organization"
          label="Name of the organization"
          action="Rename"
          initial={org.name}
          onSubmit={async (name) => onRenamed(await orgs.rename(org.id, name))}
          onClose={close}
        />
      )}
      {asked === 'delete' && <DeleteOrg org={org} onClose={close} />}
    </>
  )
}

function DeleteOrg({ org, onClose }: { org: Org; onClose: () => void }) {
  const toast = useToast()
  const remove = async () => {
    await orgs.remove(org.id)
    toast.done(`${org.name} is deleted`)
    navigate(paths.home())
  }
  return (
    <ConfirmDialog
      title={`Delete ${org.name}?`}
      action="Delete organization"
      typed={org.name}
      danger
      onConfirm={remove}
      onClose={onClose}
    >
      <p>
        All of its projects go with it, with their boards, documents and user containers, for everybody. This cannot be
        undone.
      </p>
    </ConfirmDialog>
  )
}
