import { useState, type SubmitEvent } from 'react'
import { members, type ApiError, type Member, type Org, type OrgRole } from '../../api'
import { Button, Field, Notice, SelectField, useToast } from '../../design'
import { textsOf, useSubmission } from '../../resource/form'
import forms from '../forms.module.css'
import { mayChange, orgRoleMeaning, orgRoles } from '../roles'

/** Takes somebody in who has an account. */
export function AddMember({ org, onAdded }: { org: Org; onAdded: (member: Member) => void }) {
  const { busy, fields, error, submit } = useSubmission(['email', 'role'])
  const [role, setRole] = useState<OrgRole>('member')
  const toast = useToast()
  const add = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    void submit(async () => {
      const member = await members.add(org.id, { ...textsOf(form, 'email'), role })
      onAdded(member)
      form.reset()
      setRole('member')
      toast.done(`${member.user.name} is a member now`)
    })
  }
  const beside = error && besideTheAddress(error)
  return (
    <section className={forms.section} aria-labelledby="add-member">
      <h2 id="add-member">Add a member</h2>
      <form className={forms.form} onSubmit={add}>
        {error && beside === undefined && <Notice error={error} />}
        <div className={forms.row}>
          <Field
            label="E-mail address"
            name="email"
            type="email"
            required
            autoComplete="off"
            hint="The one of their account here: they sign up first."
            error={fields.email ?? beside}
          />
          <SelectField
            className={forms.narrow}
            label="Role"
            value={role}
            onChange={(event) => setRole(orgRoles.find((role) => role === event.target.value) ?? 'member')}
            error={fields.role}
          >
            {orgRoles
              .filter((role) => mayChange(org.role, role))
              .map((role) => (
                <option key={role} value={role}>
                  {role}
                </option>
              ))}
          </SelectField>
          <Button type="submit" variant="primary" icon="add" busy={busy}>
            Add member
          </Button>
        </div>
        <p role="status" className={forms.remark}>
          {orgRoleMeaning[role]}
        </p>
      </form>
    </section>
  )
}

/** Two refusals are about the address, although the API does not say which field. */
function besideTheAddress(error: ApiError): string | undefined {
  if (error.code === 'NOT_FOUND') return 'nobody has an account with this address'
  return error.code === 'CONFLICT' ? error.message : undefined
}
