import type { User } from '../../api'
import { Page } from '../../design'
import forms from '../forms.module.css'
import { KeysSection } from './KeysSection'
import { PasswordSection } from './PasswordSection'

/** What is about oneself: the password, and keys for programs. */
export default function AccountPage({ user }: { user: User }) {
  return (
    <Page title="Account" lead={`${user.name}, ${user.email}${user.administrator ? ', administrator of Orrery' : ''}`}>
      <KeysSection />
      <PasswordSection user={user} />
      <p className={forms.remark}>
        Orrery is free software under the Apache License 2.0. This page also holds{' '}
        <a href="/assets/packages.md">packages</a> and <a href="/assets/fonts.txt">fonts</a> of others, under their own
        licences.
      </p>
    </Page>
  )
}
