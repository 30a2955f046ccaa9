import type { SubmitEvent } from 'react'
import { account, type User } from '../../api'
import { Button, Field, Notice, useToast } from '../../design'
import { textsOf, useSubmission } from '../../resource/form'
import forms from '../forms.module.css'

export function PasswordSection({ user }: { user: User }) {
  const { busy, fields, error, submit } = useSubmission(['password', 'new_password'])
  const toast = useToast()
  // The API does not say which of the two it refuses, but only the old one can be wrong.
  const wrong = error?.code === 'FORBIDDEN' ? error.message : undefined
  const change = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    void submit(async () => {
      await account.changePassword(textsOf(form, 'password', 'new_password'))
      form.reset()
      toast.done('Your password is changed; every other session has ended')
    })
  }
  return (
    <section className={forms.section} aria-labelledby="password">
      <h2 id="password">Password</h2>
      <p>Changing it ends every other session of yours. API keys stay.</p>
      <form onSubmit={change} className={forms.form}>
        {error && wrong === undefined && <Notice error={error} />}
        {/* Password managers want to know whose password it is. */}
        <input type="hidden" name="username" autoComplete="username" value={user.email} />
        <div className={forms.row}>
          <Field
            label="Current password"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            error={fields.password ?? wrong}
          />
          <Field
            label="New password"
            name="new_password"
            type="password"
            autoComplete="new-password"
            required
            minLength={8}
            maxLength={256}
            hint="At least 8 characters."
            error={fields.new_password}
          />
          <Button type="submit" busy={busy}>
            Change password
          </Button>
        </div>
      </form>
    </section>
  )
}
