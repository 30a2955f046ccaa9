import { useCallback, useState } from 'react'
import { projects, type Project, type ProjectMember, type ProjectRole, type User } from '../../api'
import { Avatar, Dialog, Notice, SelectField } from '../../design'
import { useResource, type Loaded } from '../../resource'
import { Loading } from '../../resource/Loading'
import { projectRoles } from '../roles'
import rows from '../rows.module.css'
import styles from './ProjectRoles.module.css'

interface ProjectRolesProps {
  project: Project
  user: User
  /** Whether one is an admin here because one manages the organization. */
  inherits: boolean
  onClose: () => void
}

/** Who may do what in a project, and what follows from the organization. */
export function ProjectRoles({ project, user, inherits, onClose }: ProjectRolesProps) {
  const load = useCallback((signal: AbortSignal) => projects.members(project.id, signal), [project.id])
  const loaded = useResource(load)
  return (
    <Dialog title={`Roles in ${project.name}`} onClose={onClose} wide>
      <p className={styles.lead}>
        Members of the organization are editors of its projects unless a project gives them another role. Its admins and
        owners are admins everywhere.
      </p>
      <Loading of={loaded}>
        {(members) => {
          const own = members.find((member) => member.user.id === user.id)
          return (
            <MemberList
              loaded={loaded}
              members={members}
              project={project}
              manages={inherits || own?.role === 'admin'}
            />
          )
        }}
      </Loading>
    </Dialog>
  )
}

interface MemberListProps {
  loaded: Loaded<ProjectMember[]>
  members: readonly ProjectMember[]
  project: Project
  manages: boolean
}

function MemberList({ loaded, members, project, manages }: MemberListProps) {
  const [error, setError] = useState<unknown>()
  const give = async (member: ProjectMember, role: ProjectRole | undefined) => {
    setError(undefined)
    try {
      if (role === undefined) await projects.unsetRole(project.id, member.user.id)
      else await projects.setRole(project.id, { email: member.user.email, role })
    } catch (error) {
      setError(error)
    }
    loaded.reload()
  }
  return (
    <>
      {error !== undefined && <Notice error={error} />}
      <ul className={rows.inside}>
        {members.map((member) => (
          <li key={member.user.id} className={rows.row}>
            <Avatar name={member.user.name} seed={member.user.id} />
            <div className={rows.words}>
              <strong>{member.user.name}</strong>
              <span>{member.user.email}</span>
            </div>
            <Role member={member} manages={manages} onGive={(role) => void give(member, role)} />
          </li>
        ))}
      </ul>
    </>
  )
}

interface RoleProps {
  member: ProjectMember
  manages: boolean
  onGive: (role: ProjectRole | undefined) => void
}

function Role({ member, manages, onGive }: RoleProps) {
  if (member.organization_role !== 'member') {
    return <span className={styles.fixed}>admin, as {member.organization_role} of the organization</span>
  }
  if (!manages) return <span className={styles.fixed}>{member.role}</span>
  return (
    <SelectField
      className={styles.select}
      labelHidden
      label={`Role of ${member.user.name}`}
      value={member.given ?? ''}
      onChange={(event) => onGive(projectRoles.find((role) => role === event.target.value))}
    >
      <option value="">editor, as a member</option>
      {projectRoles.map((role) => (
        <option key={role} value={role}>
          {role}
        </option>
      ))}
    </SelectField>
  )
}
