import { useState } from 'react'
import { projects as api, type Org, type Project, type User } from '../../api'
import { Ago, Badge, Button, ConfirmDialog, LinkButton, Menu, useToast, type MenuItem } from '../../design'
import { classes } from '../../design/classes'
import { Link, navigate, paths } from '../../router'
import { NameDialog } from '../NameDialog'
import { ProjectRoles } from './ProjectRoles'
import { managesMembers } from '../roles'
import rows from '../rows.module.css'
import styles from './ProjectList.module.css'

type Change = (change: (list: Project[]) => Project[]) => void

interface ProjectListProps {
  org: Org
  user: User
  projects: readonly Project[]
  onChange: Change
}

export function ProjectList({ org, user, projects, onChange }: ProjectListProps) {
  return (
    <ul className={rows.list}>
      {projects.map((project) => (
        <Row key={project.id} org={org} user={user} project={project} onChange={onChange} />
      ))}
    </ul>
  )
}

type Asked = 'rename' | 'roles' | 'delete'

function Row({ org, user, project, onChange }: Omit<ProjectListProps, 'projects'> & { project: Project }) {
  const [asked, setAsked] = useState<Asked>()
  const [busy, setBusy] = useState(false)
  const toast = useToast()
  const update = (changed: Project) =>
    onChange((list) => list.map((project) => (project.id === changed.id ? changed : project)))
  const turn = async () => {
    setBusy(true)
    try {
      update(project.active ? await api.stop(project.id) : (await api.start(project.id)).project)
    } catch (error) {
      toast.failed(error)
    } finally {
      setBusy(false)
    }
  }
  const items: MenuItem[] = [
    { label: 'Open board', icon: 'external', onSelect: () => navigate(paths.board(project.id)) },
    { label: 'Roles in this project', icon: 'people', onSelect: () => setAsked('roles') },
    { label: 'Rename project', icon: 'edit', onSelect: () => setAsked('rename') },
    { label: 'Delete project', icon: 'trash', danger: true, onSelect: () => setAsked('delete') },
  ]
  const close = () => setAsked(undefined)
  return (
    <li className={classes(rows.row, styles.project)} data-project={project.id}>
      <div className={styles.words}>
        <h2>
          <Link to={paths.board(project.id)}>{project.name}</Link>
        </h2>
        <p className={styles.facts}>
          <Badge tone={project.active ? 'good' : 'plain'} dot>
            {project.active ? 'Started' : 'Stopped'}
          </Badge>
          <Activity project={project} />
        </p>
      </div>
      <div className={styles.actions}>
        <Button small icon={project.active ? 'stop' : 'play'} busy={busy} onClick={turn}>
          {project.active ? 'Stop' : 'Start'}
          <span className="visually-hidden"> {project.name}</span>
        </Button>
        <LinkButton small variant="primary" to={paths.board(project.id)}>
          Open<span className="visually-hidden"> {project.name}</span>
        </LinkButton>
        <Menu label={`More about ${project.name}`} items={items} />
      </div>
      {asked === 'roles' && (
        <ProjectRoles project={project} user={user} inherits={managesMembers(org.role)} onClose={close} />
      )}
      {asked === 'rename' && (
        <NameDialog
          title="Rename project"
          label="Name of the project"
          action="Rename"
          initial={project.name}
          onSubmit={async (name) => update(await api.rename(project.id, name))}
          onClose={close}
        />
      )}
      {asked === 'delete' && <DeleteProject project={project} onChange={onChange} onClose={close} />}
    </li>
  )
}

function Activity({ project }: { project: Project }) {
  const at = project.last_activity_at ?? project.last_started_at
  if (at === null)
    return (
      <span>
        Made <Ago at={project.created_at} />, never opened
      </span>
    )
  return (
    <span>
      Last active <Ago at={at} />
    </span>
  )
}

function DeleteProject({ project, onChange, onClose }: { project: Project; onChange: Change; onClose: () => void }) {
  const toast = useToast()
  const remove = async () => {
    await api.remove(project.id)
    onChange((list) => list.filter(({ id }) => id !== project.id))
    toast.done(`${project.name} is deleted`)
  }
  return (
    <ConfirmDialog
      title={`Delete ${project.name}?`}
      action="Delete project"
      typed={project.name}
      danger
      onConfirm={remove}
      onClose={onClose}
    >
      <p>Its board, its documents and its user containers go with it, for everybody. This cannot be undone.</p>
    </ConfirmDialog>
  )
}
