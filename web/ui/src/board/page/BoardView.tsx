import { ReactFlowProvider } from '@xyflow/react'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import type { Org, Project } from '../../api'
import { useToast } from '../../design'
import { useCell } from '../cell'
import { CodePanel } from '../code/CodePanel'
import { ContainerDrawer } from '../container/ContainerDrawer'
import { ContainerList } from '../container/ContainerList'
import { NewContainer } from '../container/NewContainer'
import { AroundContext, useAround, type Around, type Panel } from '../context'
import { partOf } from '../../resource/part'
import type { Workspace } from '../workspace'
import { Announcements } from './Announcements'
import { BoardList } from './BoardList'
import styles from './BoardView.module.css'
import { Confirmation, type Question } from './Confirmations'
import { NothingYet } from './NothingYet'
import { OfflineNotice } from './OfflineNotice'
import { StuckNotice } from './StuckNotice'
import { TopBar, type View } from './TopBar'

const NARROW = matchMedia('(max-width: 45rem)')

const Canvas = partOf('Opening the board', async () => (await import('../canvas/Canvas')).Canvas)
// It is needed as soon as there is a gateway.
if (!NARROW.matches) Canvas.prepare()

function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      NARROW.addEventListener('change', listener)
      return () => NARROW.removeEventListener('change', listener)
    },
    () => NARROW.matches,
  )
}

interface BoardViewProps {
  workspace: Workspace
  project: Project
  org: Org
}

/** The board of a project, with what stands around it. */
export function BoardView({ workspace, project, org }: BoardViewProps) {
  const { session } = workspace
  const open = useCell(workspace.open)
  const mayWrite = useCell(session.mayWrite)
  const [panel, setPanel] = useState<Panel>(null)
  const [question, setQuestion] = useState<Question | null>(null)
  const [view, setView] = useState<View>('list')
  const [listed, setListed] = useState(false)
  const narrow = useNarrow()
  const page = useRef<HTMLElement>(null)
  useEffect(() => {
    // What had the focus may be gone with what was asked about; at first nothing has it.
    if (question === null && document.activeElement === document.body) page.current?.focus({ preventScroll: true })
  }, [question])
  useTidings(workspace)
  const around: Around = useMemo(
    () => ({
      workspace,
      open,
      mayWrite,
      panel,
      show: setPanel,
      askDelete: (container) => setQuestion({ kind: 'delete', container }),
      askRemove: (nodes, edges, takenBack = false) => setQuestion({ kind: 'remove', nodes, edges, takenBack }),
      openCode: (node) => setPanel({ kind: 'code', node: node.id }),
    }),
    [workspace, open, mayWrite, panel],
  )
  return (
    <AroundContext value={around}>
      {/* A replica that had to be thrown away takes everything with it that was bound to it. */}
      <ReactFlowProvider key={open.replica.doc.guid}>
        <main ref={page} tabIndex={-1} aria-label={`Board of ${project.name}`} className={styles.page}>
          <TopBar
            project={project}
            org={org}
            view={narrow ? view : null}
            onView={setView}
            listed={listed}
            onList={setListed}
          />
          <OfflineNotice />
          <StuckNotice />
          <div className={styles.body}>
            {listed && !narrow && (
              <div className={styles.side}>
                <ContainerList />
              </div>
            )}
            {narrow && view === 'list' ? (
              <BoardList />
            ) : (
              <Canvas>
                <NothingYet org={org} />
              </Canvas>
            )}
            <Side panel={panel} onClose={() => setPanel(null)} />
          </div>
          <Announcements />
        </main>
      </ReactFlowProvider>
      {question !== null && (
        <Confirmation question={question} workspace={workspace} open={open} onClose={() => setQuestion(null)} />
      )}
    </AroundContext>
  )
}

function Side({ panel, onClose }: { panel: Panel; onClose: () => void }) {
  switch (panel?.kind) {
    case 'container':
      return <ContainerDrawer key={panel.id} id={panel.id} onClose={onClose} />
    case 'new-container':
      return <NewContainer onClose={onClose} />
    case 'code':
      return <CodeSide key={panel.node} node={panel.node} onClose={onClose} />
    case undefined:
      return null
  }
}

/** Closes by itself when somebody removes the document from the board. */
function CodeSide({ node: id, onClose }: { node: string; onClose: () => void }) {
  const { open } = useAround()
  const node = useCell(open.board.nodes.views).get(id)
  const gone = node?.type !== 'code'
  useEffect(() => {
    if (gone) onClose()
  }, [gone, onClose])
  return gone ? null : <CodePanel node={node} onClose={onClose} />
}

/** Says what was refused, and what became of it; and what happened by itself. */
function useTidings(workspace: Workspace): void {
  const toast = useToast()
  const { problem, notice } = workspace
  useEffect(() => problem.subscribe(() => toast.failed(new Error(problem.get()?.text))), [problem, toast])
  useEffect(() => notice.subscribe(() => toast.done(notice.get()?.text ?? '')), [notice, toast])
}
