import type { SubmitEvent } from 'react'
import { account } from '../../api'
import { Button, Field, Notice } from '../../design'
import { Link, paths, safeReturn, useLocation } from '../../router'
import { textsOf, useSubmission } from '../../resource/form'
import { useSession } from '../../session'
import { Welcome } from './Welcome'

export default function SignUpPage() {
  const { enter } = useSession()
  const { search } = useLocation()
  const { busy, fields, error, submit } = useSubmission(['name', 'email', 'password'])
  const back = safeReturn(search, location.origin)
  const signUp = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = textsOf(event.currentTarget, 'name', 'email', 'password')
    void submit(async () => enter(await account.signUp(form)))
  }
  return (
    <Welcome
      title="Make an account"
      lead={
        <>
          Have one already? <Link to={paths.signIn(back)}>Sign in</Link>
        </>
      }
    >
      <form onSubmit={signUp}>
        {error && <Notice error={error} />}
        <Field
          label="Name"
          name="name"
          autoComplete="name"
          required
          autoFocus
          maxLength={80}
          error={fields.name}
          hint="What others see beside your cursor."
        />
        <Field label="E-mail address" name="email" type="email" autoComplete="username" required error={fields.email} />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          minLength={8}
          maxLength={256}
          error={fields.password}
          hint="At least 8 characters."
        />
        <Button type="submit" variant="primary" busy={busy}>
          Make an account
        </Button>
      </form>
    </Welcome>
  )
}
