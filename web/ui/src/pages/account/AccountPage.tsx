import type { User } from '../../api'
import { Page } from '../../design'
import forms from '../forms.module.css'
import { DeleteSection } from './DeleteSection'
import { KeysSection } from './KeysSection'
import { PasswordSection } from './PasswordSection'
import { SessionsSection } from './SessionsSection'

/** What is about oneself: the password, where one is signed in, keys for programs, and the end of it all. */
export default function AccountPage({ user }: { user: User }) {
  return (
    <Page title="Account" lead={`${user.name}, ${user.email}${user.administrator ? ', administrator of Orrery' : ''}`}>
      <KeysSection />
      <PasswordSection user={user} />
      <SessionsSection />
      <DeleteSection user={user} />
      <p className={forms.remark}>
        Orrery is free software under the Apache License 2.0. This page also holds{' '}
        <a href="/assets/packages.md">packages</a> and <a href="/assets/fonts.txt">fonts</a> of others, under their own
        licences.
      </p>
    </Page>
  )
}
