import type { User } from '../../api'
import { Page } from '../../design'
import { KeysSection } from './KeysSection'
import { PasswordSection } from './PasswordSection'

/** What is about oneself: the password, and keys for programs. */
export default function AccountPage({ user }: { user: User }) {
  return (
    <Page title="Account" lead={`${user.name}, ${user.email}${user.administrator ? ', administrator of Orrery' : ''}`}>
      <KeysSection />
      <PasswordSection user={user} />
    </Page>
  )
}
