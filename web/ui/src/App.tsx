import { lazy, Suspense, useEffect } from 'react'
import type { User } from './api'
import { Notice, Page, Spinner } from './design'
import { navigate, paths, safeReturn, useLocation, usePage, type Page as Place } from './router'
import { useSession } from './session'
import { Shell } from './shell/Shell'

const SignInPage = lazy(() => import('./pages/sign-in/SignInPage'))
const SignUpPage = lazy(() => import('./pages/sign-in/SignUpPage'))
const HomePage = lazy(() => import('./pages/home/HomePage'))
const OrgPage = lazy(() => import('./pages/org/OrgPage'))
const MembersPage = lazy(() => import('./pages/members/MembersPage'))
const BoardPlace = lazy(() => import('./pages/board/BoardPlace'))
const AccountPage = lazy(() => import('./pages/account/AccountPage'))
const PoolPage = lazy(() => import('./pages/pool/PoolPage'))
const UnknownPage = lazy(() => import('./pages/UnknownPage'))

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
      return (
        <Suspense fallback={<Spinner large />}>
          <Outside page={page} />
        </Suspense>
      )
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
  const { search } = useLocation()
  const outside = page.name === 'sign-in' || page.name === 'sign-up'
  useEffect(() => {
    if (outside) navigate(safeReturn(search, location.origin), { replace: true })
  }, [outside, search])
  if (outside) return <Spinner large label="Opening Orrery" />
  return (
    <Shell user={user} page={page}>
      <Suspense fallback={<Spinner large />}>
        <Content page={page} user={user} />
      </Suspense>
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
