import { useState, type ReactNode } from 'react'
import type { User } from '../api'
import { Avatar, ConfirmDialog, Icon, Menu, ThemeSwitch, useToast, type MenuItem } from '../design'
import { Link, navigate, paths, type Page } from '../router'
import { useSession } from '../session'
import { unsavedKept } from '../session/kept'
import { Mark } from './Mark'
import styles from './Shell.module.css'

/** What surrounds every page of somebody who is signed in. */
export function Shell({ user, page, children }: { user: User; page: Page; children: ReactNode }) {
  return (
    <>
      <a className={styles.skip} href="#content">
        Skip to the content
      </a>
      <header className={styles.header}>
        <Link to={paths.home()} className={styles.home} aria-label="Orrery, your organizations">
          <Mark />
          <span>Orrery</span>
        </Link>
        <nav aria-label="Main" className={styles.nav}>
          <Place to={paths.home()} here={page.name === 'home'}>
            Organizations
          </Place>
          {user.administrator && (
            <Place to={paths.pool()} here={page.name === 'pool'}>
              Gateway pool
            </Place>
          )}
        </nav>
        <div className={styles.end}>
          <ThemeSwitch />
          <AccountMenu user={user} />
        </div>
      </header>
      <div id="content" tabIndex={-1} className={styles.content}>
        {children}
      </div>
    </>
  )
}

function Place({ to, here, children }: { to: string; here: boolean; children: ReactNode }) {
  return (
    <Link to={to} aria-current={here ? 'page' : undefined}>
      {children}
    </Link>
  )
}

function AccountMenu({ user }: { user: User }) {
  const { signOut } = useSession()
  const toast = useToast()
  const [unsaved, setUnsaved] = useState(0)
  const leave = async () => {
    const changes = await unsavedKept(user.id)
    if (changes > 0) setUnsaved(changes)
    else await signOut().catch(toast.failed)
  }
  const items: MenuItem[] = [
    { label: 'Organizations', icon: 'people', onSelect: () => navigate(paths.home()) },
    { label: 'Account and API keys', icon: 'key', onSelect: () => navigate(paths.account()) },
    ...(user.administrator
      ? [{ label: 'Gateway pool', icon: 'pool' as const, onSelect: () => navigate(paths.pool()) }]
      : []),
    { label: 'Sign out', icon: 'leave', onSelect: () => void leave() },
  ]
  const heading = (
    <>
      <strong>{user.name}</strong>
      <br />
      {user.email}
    </>
  )
  return (
    <>
      <Menu label={`Account of ${user.name}`} items={items} heading={heading} className={styles.account}>
        <Avatar name={user.name} seed={user.id} size={30} />
        <Icon name="chevron" size={16} />
      </Menu>
      {unsaved > 0 && (
        <ConfirmDialog
          title="Sign out and lose what is not saved?"
          action="Sign out anyway"
          danger
          onConfirm={signOut}
          onClose={() => setUnsaved(0)}
        >
          <p>
            {unsaved === 1 ? 'One change is' : `${unsaved} changes are`} in this browser only, and signing out deletes
            what it keeps. Open the board and wait until it says “Saved” to bring them along.
          </p>
        </ConfirmDialog>
      )}
    </>
  )
}
