import { ApiError } from '../api'
import { Cell } from './cell'
import { command, type Command, type NewContainerResult } from './connection/commands'
import { Live } from './connection/live'
import type { Replica } from './connection/replica'
import type { Session } from './connection/session'
import { Board } from './model/board'
import { readPresent, type Action, type ContainerView } from './model/containers'
import { plainEntries, type Entries } from './model/entries'
import { readImage, type ImageView } from './model/images'
import { Motion } from './model/motion'
import { expect, foresee, forget, type Expected } from './model/optimism'
import { People } from './model/people'
import { Carets } from './text/carets'

/** The board as it is open at the moment; another one takes its place when its replica has to be thrown away. */
export interface OpenBoard {
  replica: Replica
  board: Board
  people: People
  motion: Motion
  carets: Carets
}

/** A command that was taken shows in the document within this time, or what was expected is forgotten. */
const EXPECTED_MS = 10_000

const COMMANDS: Record<Action, Exclude<Command['type'], 'user-containers:new'>> = {
  start: 'user-container:start',
  stop: 'user-container:stop',
  restart: 'user-container:restart',
  delete: 'user-containers:delete',
}

/** Everything that the board page shows and does, without the page. */
export class Workspace {
  readonly live: Live
  readonly open: Cell<OpenBoard>
  readonly containers = new Cell<ReadonlyMap<string, ContainerView>>(new Map())
  readonly images = new Cell<ReadonlyMap<string, ImageView>>(new Map())
  /** Whether containers are known: before, none is not the same as nobody knows. */
  readonly known = new Cell(false)
  /** What happened that nobody here asked for, and is not bad. */
  readonly notice = new Cell<{ text: string } | null>(null)
  /** What was shown as done and then refused. */
  readonly problem = new Cell<{ text: string } | null>(null)
  readonly #expected = new Cell<Expected>(new Map())
  #system: {
    replica: Replica
    containers: Entries<ContainerView>
    images: Entries<ImageView>
    stop: () => void
  }
  readonly #unsubscribe: (() => void)[]

  constructor(readonly session: Session) {
    this.live = new Live(session.access, session.project)
    this.open = new Cell(openBoard(session.board.get()))
    this.#system = this.#read(session.system.get())
    this.#unsubscribe = [
      session.board.subscribe(() => {
        close(this.open.get())
        this.open.set(openBoard(session.board.get()))
      }),
      session.system.subscribe(() => {
        this.#system.stop()
        this.#system = this.#read(session.system.get())
      }),
      this.#expected.subscribe(() => this.#show()),
      session.mayWrite.subscribe(() =>
        this.notice.set({ text: `You may ${session.mayWrite.get() ? 'write' : 'only read'} here from now on.` }),
      ),
      session.rebuilt.subscribe(() =>
        this.notice.set({ text: 'What was shown of the containers was out of date. It was read again.' }),
      ),
      session.refusal.subscribe(() => {
        const { reason, changes } = session.refusal.get() ?? { reason: '', changes: 1 }
        const what =
          changes > 1 ? `Your last ${changes} changes were refused, and are` : 'Your last change was refused, and is'
        this.problem.set({ text: `${what} undone here: ${reason}.` })
      }),
    ]
  }

  dispose(): void {
    this.#unsubscribe.forEach((unsubscribe) => unsubscribe())
    this.#system.stop()
    close(this.open.get())
    this.session.dispose()
  }

  /** Asks for an action and shows its effect at once; takes that back should it be refused. */
  async act(container: ContainerView, action: Action): Promise<void> {
    const { id } = container
    this.#expected.update((expected) => expect(expected, container, action))
    try {
      await this.#command({ type: COMMANDS[action], user_container_id: id })
      setTimeout(() => this.#expected.update((expected) => forget(expected, id)), EXPECTED_MS)
    } catch (error) {
      this.#expected.update((expected) => forget(expected, id))
      this.problem.set({ text: `${container.name} was not ${DONE[action]}: ${ApiError.of(error).message}` })
    }
  }

  /** Makes a container. Throws an `ApiError`. */
  create(form: Omit<Extract<Command, { type: 'user-containers:new' }>, 'type'>): Promise<NewContainerResult> {
    return this.#command({ type: 'user-containers:new', ...form })
  }

  #command<T>(event: Command): Promise<T> {
    return command(this.session.access, this.session.project, event)
  }

  #read(replica: Replica) {
    const containers = plainEntries(replica.doc, 'userContainers', readPresent)
    const images = plainEntries(replica.doc, 'images', readImage)
    const show = () => this.#show()
    const subscriptions = [
      containers.views.subscribe(show),
      images.views.subscribe(show),
      replica.state.subscribe(show),
    ]
    const stop = () => {
      subscriptions.forEach((unsubscribe) => unsubscribe())
      containers.dispose()
      images.dispose()
    }
    return { replica, containers, images, stop }
  }

  #show(): void {
    // A replica that is built anew shows what the last one had until it is whole.
    if (!this.#system.replica.state.get().everInStep) return
    this.known.set(true)
    const [seen, expected] = [this.#system.containers.views.get(), this.#expected.get()]
    if (expected.size === 0) this.containers.set(seen)
    else this.containers.set(new Map([...seen].map(([id, container]) => [id, foresee(container, expected)])))
    this.images.set(this.#system.images.views.get())
  }
}

const DONE: Record<Action, string> = {
  start: 'started',
  stop: 'stopped',
  restart: 'restarted',
  delete: 'deleted',
}

function openBoard(replica: Replica): OpenBoard {
  const board = new Board(replica.doc)
  const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches
  const people = new People(replica.awareness)
  return {
    replica,
    board,
    people,
    motion: new Motion(board.nodes.views, still),
    carets: new Carets(replica.awareness, replica.doc),
  }
}

function close(open: OpenBoard): void {
  open.carets.dispose()
  open.motion.dispose()
  open.people.dispose()
  open.board.dispose()
}
