import type { SubmitEvent } from 'react'
import { account } from '../../api'
import { Button, Field, Notice } from '../../design'
import { Link, paths, safeReturn, useLocation } from '../../router'
import { textsOf, useSubmission } from '../../resource/form'
import { useSession } from '../../session'
import { Welcome } from './Welcome'

export default function SignInPage() {
  const { enter } = useSession()
  const { search } = useLocation()
  const { busy, fields, error, submit } = useSubmission(['email', 'password'])
  const back = safeReturn(search, location.origin)
  const signIn = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = textsOf(event.currentTarget, 'email', 'password')
    void submit(async () => enter(await account.signIn(form)))
  }
  return (
    <Welcome
      title="Sign in"
      lead={
        <>
          New here? <Link to={paths.signUp(back)}>Make an account</Link>
        </>
      }
    >
      <form onSubmit={signIn}>
        {error && <Notice error={error} />}
        <Field
          label="E-mail address"
          name="email"
          type="email"
          autoComplete="username"
          required
          autoFocus
          error={fields.email}
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          error={fields.password}
        />
        <Button type="submit" variant="primary" busy={busy}>
          Sign in
        </Button>
      </form>
    </Welcome>
  )
}
