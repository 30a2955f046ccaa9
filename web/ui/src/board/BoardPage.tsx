import { useEffect, useState } from 'react'
import type { Org, Project, User } from '../api'
import { LinkButton, Notice, Page, Spinner, Button, colourOf } from '../design'
import { navigate, paths } from '../router'
import { forgetKept } from '../session/kept'
import { Cell, useCell } from './cell'
import { Access } from './connection/access'
import { ganymede, roleIn } from './connection/ganymede'
import { Session } from './connection/session'
import type { Ended } from './connection/status'
import { BoardView } from './page/BoardView'
import { Boundary } from './page/Boundary'
import { Workspace } from './workspace'

/** Whose board it is. */
interface Place {
  project: Project
  org: Org
}

interface BoardPageProps {
  id: string
  /** Null while it is not known yet: the way to the gateway is looked for meanwhile. */
  place: Place | null
  me: User
}

/** The live board of a project. */
export default function BoardPage({ id, place, me }: BoardPageProps) {
  const { opening, again } = useOpening(id, me)
  if (opening === null || place === null) return <Spinner large label="Opening the board" />
  return <Opened key={opening.key} opening={opening} {...place} onAgain={again} />
}

/** A way to the gateway, and the workspace once the gateway answers. */
interface Opening {
  key: number
  access: Access
  workspace: Cell<Workspace | null>
}

function useOpening(project: string, me: User) {
  const [opening, setOpening] = useState<Opening | null>(null)
  const [attempt, setAttempt] = useState(0)
  const { id, name } = me
  useEffect(() => {
    const stop = new AbortController()
    const access = new Access(ganymede, project)
    const workspace = new Cell<Workspace | null>(null)
    // A role that cannot be asked for is the gateway's to judge: what may not be written is refused and undone.
    const role = roleIn(project, id, stop.signal).catch(() => 'editor' as const)
    const open = async () => {
      const gateway = access.gateway.get()
      if (gateway === null || stop.signal.aborted) return
      unsubscribe()
      const mayWrite = (await role) !== 'viewer'
      if (stop.signal.aborted) return
      const self = { id, name, color: colourOf(id) }
      const ask = async () => (await roleIn(project, id, stop.signal)) !== 'viewer'
      workspace.set(new Workspace(new Session(access, gateway, project, self, mayWrite, ask)))
    }
    const unsubscribe = access.gateway.subscribe(() => void open())
    const unsubscribeEnd = access.ended.subscribe(() => {
      const why = access.ended.get()
      if (why !== 'no-access' && why !== 'gone') return
      // What this browser keeps of the project is nothing to be read any more.
      workspace.get()?.dispose()
      workspace.set(null)
      void forgetKept(id, project)
    })
    queueMicrotask(() => {
      if (!stop.signal.aborted) setOpening({ key: attempt, access, workspace })
    })
    void access.revive()
    return () => {
      stop.abort()
      unsubscribe()
      unsubscribeEnd()
      workspace.get()?.dispose()
      access.close()
    }
  }, [project, id, name, attempt])
  return { opening, again: () => setAttempt((attempt) => attempt + 1) }
}

interface OpenedProps extends Place {
  opening: Opening
  onAgain: () => void
}

function Opened({ opening: { access, workspace: cell }, project, org, onAgain }: OpenedProps) {
  const workspace = useCell(cell)
  const ended = useCell(access.ended)
  const problem = useCell(access.problem)
  if (ended !== null) return <EndedPage why={ended} org={org} onAgain={onAgain} />
  if (workspace !== null) {
    return (
      <Boundary title={project.name} onAgain={onAgain}>
        <BoardView workspace={workspace} project={project} org={org} />
      </Boundary>
    )
  }
  if (problem === null) return <Spinner large label="Starting the project" />
  return (
    <Page title={project.name} lead="The board opens by itself as soon as it can.">
      <Notice error={problem} onRetry={() => void access.revive()} />
    </Page>
  )
}

const WORDS: Record<Ended, { title: string; lead: string }> = {
  'signed-out': {
    title: 'You are signed out',
    lead: 'Sign in again to go on. This browser keeps what was not saved yet.',
  },
  'no-access': {
    title: 'Your access ended',
    lead: 'You may not open this board any more.',
  },
  gone: {
    title: 'Your access ended',
    lead: 'The project was deleted, or you are no member of its organization any more.',
  },
  protocol: {
    title: 'The board was disconnected',
    lead: 'The gateway did not understand this browser. Opening it again helps.',
  },
}

function EndedPage({ why, org, onAgain }: { why: Ended; org: Org; onAgain: () => void }) {
  const { title, lead } = WORDS[why]
  return (
    <Page title={title} lead={lead}>
      {why === 'signed-out' && (
        <Button variant="primary" onClick={() => navigate(paths.signIn(location.pathname))}>
          Sign in
        </Button>
      )}
      {why === 'protocol' && (
        <Button variant="primary" onClick={onAgain}>
          Open it again
        </Button>
      )}
      {why === 'no-access' && <LinkButton to={paths.org(org.id)}>To the organization</LinkButton>}
      {why === 'gone' && <LinkButton to={paths.home()}>Your organizations</LinkButton>}
    </Page>
  )
}
