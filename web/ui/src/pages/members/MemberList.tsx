import { useState } from 'react'
import { members as api, type Member, type Org, type OrgRole, type User } from '../../api'
import { Avatar, Badge, Button, ConfirmDialog, SelectField, useToast } from '../../design'
import { navigate, paths } from '../../router'
import { mayChange, orgRoles, roleTone } from '../roles'
import rows from '../rows.module.css'
import styles from './MemberList.module.css'

interface MemberListProps {
  org: Org
  user: User
  members: readonly Member[]
  onChange: (change: (list: Member[]) => Member[]) => void
}

export function MemberList({ org, user, members, onChange }: MemberListProps) {
  return (
    <ul className={rows.list} aria-label="Members">
      {members.map((member) => (
        <Row key={member.user.id} org={org} user={user} member={member} onChange={onChange} />
      ))}
    </ul>
  )
}

function Row({ org, user, member, onChange }: Omit<MemberListProps, 'members'> & { member: Member }) {
  const [removing, setRemoving] = useState(false)
  const toast = useToast()
  const own = member.user.id === user.id
  const changeable = mayChange(org.role, member.role)
  const setRole = async (role: OrgRole) => {
    try {
      const changed = await api.setRole(org.id, member.user.id, role)
      onChange((list) => list.map((it) => (it.user.id === changed.user.id ? changed : it)))
      toast.done(`${member.user.name} is ${role} now`)
    } catch (error) {
      toast.failed(error)
    }
  }
  return (
    <li className={rows.row}>
      <Avatar name={member.user.name} seed={member.user.id} size={38} />
      <div className={rows.words}>
        <strong>
          {member.user.name} {own && <Badge>you</Badge>}
        </strong>
        <span>{member.user.email}</span>
      </div>
      {changeable && !own ? (
        <RoleSelect org={org} member={member} onSelect={(role) => void setRole(role)} />
      ) : (
        <Badge tone={roleTone[member.role]}>{member.role}</Badge>
      )}
      {(changeable || own) && (
        <Button small variant="quiet" icon={own ? 'leave' : 'trash'} onClick={() => setRemoving(true)}>
          {own ? 'Leave' : 'Remove'}
          {!own && <span className="visually-hidden"> {member.user.name}</span>}
        </Button>
      )}
      {removing && (
        <Remove org={org} member={member} own={own} onChange={onChange} onClose={() => setRemoving(false)} />
      )}
    </li>
  )
}

interface RoleSelectProps {
  org: Org
  member: Member
  onSelect: (role: OrgRole) => void
}

function RoleSelect({ org, member, onSelect }: RoleSelectProps) {
  return (
    <SelectField
      className={styles.select}
      labelHidden
      label={`Role of ${member.user.name}`}
      value={member.role}
      onChange={(event) => {
        const role = orgRoles.find((role) => role === event.target.value)
        if (role !== undefined) onSelect(role)
      }}
    >
      {orgRoles
        .filter((role) => mayChange(org.role, member.role, role))
        .map((role) => (
          <option key={role} value={role}>
            {role}
          </option>
        ))}
    </SelectField>
  )
}

interface RemoveProps {
  org: Org
  member: Member
  own: boolean
  onChange: MemberListProps['onChange']
  onClose: () => void
}

function Remove({ org, member, own, onChange, onClose }: RemoveProps) {
  const toast = useToast()
  const remove = async () => {
    await api.remove(org.id, member.user.id)
    toast.done(own ? `You left ${org.name}` : `${member.user.name} is no member any more`)
    if (own) navigate(paths.home())
    else onChange((list) => list.filter((it) => it.user.id !== member.user.id))
  }
  return (
    <ConfirmDialog
      title={own ? `Leave ${org.name}?` : `Remove ${member.user.name}?`}
      action={own ? 'Leave organization' : 'Remove member'}
      danger
      onConfirm={remove}
      onClose={onClose}
    >
      <p>
        {own ? 'You see' : 'They see'} none of the projects of {org.name} any more, and open boards close at once. What{' '}
        {own ? 'you' : 'they'} made stays.
      </p>
    </ConfirmDialog>
  )
}
