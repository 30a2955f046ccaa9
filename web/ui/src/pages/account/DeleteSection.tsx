import { useState } from 'react'
import { account, type User } from '../../api'
import { Button, ConfirmDialog, Field, useToast } from '../../design'
import { navigate, paths } from '../../router'
import { useSession } from '../../session'
import forms from '../forms.module.css'

/** The end of an account. */
export function DeleteSection({ user }: { user: User }) {
  const [asked, setAsked] = useState(false)
  return (
    <section className={forms.section} aria-labelledby="delete">
      <h2 id="delete">Delete account</h2>
      {user.administrator ? (
        <p>You are the administrator of this installation, whose account stays.</p>
      ) : (
        <>
          <p>What you wrote on boards stays with their organizations. Those that you alone own have to go first.</p>
          <Button variant="danger" icon="trash" onClick={() => setAsked(true)}>
            Delete account
          </Button>
        </>
      )}
      {asked && <DeleteAccount user={user} onClose={() => setAsked(false)} />}
    </section>
  )
}

function DeleteAccount({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState('')
  const { leave } = useSession()
  const toast = useToast()
  const remove = async () => {
    await account.remove(password)
    toast.done('Your account is deleted')
    // Whoever signs in next was not on the way to this page.
    navigate(paths.home())
    leave()
  }
  return (
    <ConfirmDialog
      title="Delete your account?"
      action="Delete account"
      typed={user.email}
      danger
      onConfirm={remove}
      onClose={onClose}
    >
      <div className={forms.form}>
        <p>You are signed out everywhere, your API keys open nothing any more, and you leave every organization.</p>
        <Field
          label="Your password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </div>
    </ConfirmDialog>
  )
}
