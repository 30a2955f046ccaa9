import { useEffect } from 'react'
import type { User } from './api'
import { Notice, Page, Spinner } from './design'
import AccountPage from './pages/account/AccountPage'
import BoardPlace from './pages/board/BoardPlace'
import HomePage from './pages/home/HomePage'
import MembersPage from './pages/members/MembersPage'
import OrgPage from './pages/org/OrgPage'
import PoolPage from './pages/pool/PoolPage'
import SignInPage from './pages/sign-in/SignInPage'
import SignUpPage from './pages/sign-in/SignUpPage'
import UnknownPage from './pages/UnknownPage'
import { navigate, paths, safeReturn, useLocation, usePage, type Page as Place } from './router'
import { useSession } from './session'
import { Mishap } from './shell/Mishap'
import { Shell } from './shell/Shell'

/** The page at the browser's path, for whoever is signed in. */
export function App() {
  const { state, retry } = useSession()
  const page = usePage()
  switch (state.name) {
    case 'loading':
      return <Spinner large label="Opening Orrery" />
    case 'failed':
      return (
        <Page title="Orrery does not answer">
          <Notice error={state.error} onRetry={retry} />
        </Page>
      )
    case 'nobody':
      return <Outside page={page} />
    case 'signed-in':
      return <Inside page={page} user={state.user} />
  }
}

/** What those see who are not signed in. */
function Outside({ page }: { page: Place }) {
  const { path, search } = useLocation()
  const outside = page.name === 'sign-in' || page.name === 'sign-up'
  useEffect(() => {
    if (!outside) navigate(paths.signIn(path + search), { replace: true })
  }, [outside, path, search])
  if (page.name === 'sign-up') return <SignUpPage />
  return outside ? <SignInPage /> : <Spinner large />
}

function Inside({ page, user }: { page: Place; user: User }) {
  const { path, search } = useLocation()
  const outside = page.name === 'sign-in' || page.name === 'sign-up'
  useEffect(() => {
    if (outside) navigate(safeReturn(search, location.origin), { replace: true })
  }, [outside, search])
  if (outside) return <Spinner large label="Opening Orrery" />
  return (
    // What somebody else had open here is not shown to them.
    <Shell key={user.id} user={user} page={page}>
      <Mishap key={path}>
        <Content page={page} user={user} />
      </Mishap>
    </Shell>
  )
}

function Content({ page, user }: { page: Place; user: User }) {
  switch (page.name) {
    case 'home':
      return <HomePage />
    case 'org':
      return <OrgPage key={page.org} id={page.org} user={user} />
    case 'members':
      return <MembersPage key={page.org} id={page.org} user={user} />
    case 'board':
      return <BoardPlace key={page.project} id={page.project} user={user} />
    case 'account':
      return <AccountPage user={user} />
    case 'pool':
      return <PoolPage user={user} />
    case 'sign-in':
    case 'sign-up':
    case 'unknown':
      return <UnknownPage />
  }
}
