import { keptName, unsavedDocuments } from '../../session/kept'
import { Cell } from '../cell'
import type { Access, Gateway } from './access'
import { Replica, type ReplicaState } from './replica'
import { nextChange, statusOf, type Facts, type Status } from './status'

/** What everybody shows of themselves. */
export interface Self {
  id: string
  name: string
  color: string
}

/** The gateway's word that this side keeps writing what it may not. */
const CLOSE_FORBIDDEN = 4403
const CLOSE_ENDED = 4401
const CLOSE_STALE = 4410
/** How often somebody who was let go asks whether they are let in again. */
const RETRY_MS = 3_000

/** How what is open is thrown away, for another in its place. */
interface Ends {
  /** With all that is unsaved, because it was not allowed. */
  refuse: (reason: string) => void
  /** And read anew, from the browser's storage too unless that is to be forgotten. */
  replace: (forget: boolean) => void
}

/** All that is open of one project: the board, what the gateway says of containers, and documents while somebody looks. */
export class Session {
  readonly board: Cell<Replica>
  readonly system: Cell<Replica>
  readonly status = new Cell<Status>({ kind: 'connecting' })
  readonly mayWrite: Cell<boolean>
  /** Why writes were last refused, and how many; told once for each replica that has to be thrown away for it. */
  readonly refusal = new Cell<{ reason: string; changes: number } | null>(null)
  /** How often what the gateway says of containers was thrown away and read anew. */
  readonly rebuilt = new Cell(0)
  readonly #documents = new Map<string, { replica: Cell<Replica>; users: number }>()
  readonly #replicas = new Map<Replica, Ends>()
  #facts: Facts
  #disposed = false
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #unsubscribe: (() => void)[] = []

  constructor(
    readonly access: Access,
    readonly gateway: Gateway,
    readonly project: string,
    readonly self: Self,
    mayWrite: boolean,
    /** Asks whether one may write by now. */
    readonly askMayWrite: () => Promise<boolean>,
  ) {
    this.mayWrite = new Cell(mayWrite)
    const lostAt = Date.now()
    this.#facts = {
      ended: null,
      online: navigator.onLine,
      inStep: false,
      everInStep: false,
      lostAt,
      unsaved: 0,
      tooLarge: [],
      everSaved: false,
    }
    this.board = this.#keep('board', true)
    this.system = this.#keep('system', false)
    this.#unsubscribe.push(access.ended.subscribe(() => this.#assess()))
    const stop = new AbortController()
    for (const event of ['online', 'offline']) {
      window.addEventListener(event, () => this.retry(), { signal: stop.signal })
    }
    this.#unsubscribe.push(() => stop.abort())
    this.#assess()
  }

  /** Opens `doc:{name}`, or takes part in it if it is open. Each caller releases it once. */
  document(name: string): { replica: Cell<Replica>; release: () => void } {
    const open = this.#documents.get(name) ?? {
      replica: this.#keep(name, true),
      users: 0,
    }
    this.#documents.set(name, open)
    open.users += 1
    let released = false
    const release = () => {
      if (released) return
      released = true
      open.users -= 1
      if (open.users === 0) this.#shut(name, open.replica)
    }
    return { replica: open.replica, release }
  }

  /** Connects now what is not connected, whatever the browser thinks of its network: the gateway may run beside it. */
  retry(): void {
    if (navigator.onLine) void this.access.fresh()
    for (const replica of this.#replicas.keys()) replica.probe()
    this.#assess()
  }

  /**
   * Goes on where there was more than the gateway takes at once. What was deleted since then is none of it any more once it is
   * read from the browser's storage.
   */
  tryAgain(): void {
    for (const [replica, { replace }] of this.#stuck()) {
      if (replica.state.get().keeps) replace(false)
      else replica.resume()
    }
  }

  /** The same, without what is not saved. */
  giveUp(): void {
    for (const [, { replace }] of this.#stuck()) replace(true)
  }

  dispose(): void {
    this.#disposed = true
    clearTimeout(this.#timer)
    this.#unsubscribe.forEach((unsubscribe) => unsubscribe())
    for (const replica of this.#replicas.keys()) replica.dispose()
    this.#replicas.clear()
    this.access.close()
  }

  #stuck(): [Replica, Ends][] {
    return [...this.#replicas].filter(([replica]) => replica.state.get().tooLarge)
  }

  #keep(name: string, writes: boolean): Cell<Replica> {
    // The refusal of the first replica comes after the cell that it is in.
    const cell = new Cell<Replica>(this.#open(name, writes, (): Cell<Replica> => cell))
    return cell
  }

  #open(name: string, writes: boolean, cell: () => Cell<Replica>): Replica {
    const replace = (forget: boolean) => {
      if (cell().get() !== replica) return
      this.#replicas.delete(replica)
      const gone = forget ? replica.discard() : Promise.resolve(replica.dispose())
      // Both would write under the same name in the browser's storage.
      const next = () => {
        if (!this.#disposed) cell().set(this.#open(name, writes, cell))
      }
      // One that fails to forget has nothing to keep either.
      void gone.then(next, next)
    }
    const refuse = (reason: string) => {
      if (!writes || !this.#replicas.has(replica)) return
      const changes = replica.state.get().unsaved
      this.mayWrite.set(false)
      replace(true)
      this.refusal.set({ reason, changes })
    }
    const stale = () => {
      replace(false)
      this.rebuilt.update((count) => count + 1)
    }
    const replica: Replica = new Replica({
      access: this.access,
      gateway: this.access.gateway.get() ?? this.gateway,
      project: this.project,
      name,
      keptAs: writes ? keptName(this.self.id, this.project, name) : null,
      events: {
        refused: refuse,
        closed: (code) => {
          if (code === CLOSE_STALE) stale()
          else if (code === CLOSE_FORBIDDEN) refuse('the gateway takes no more of what you may not write')
          else void this.#ended(replica, code)
        },
      },
    })
    replica.awareness.setLocalStateField('user', this.self)
    replica.state.subscribe(() => this.#assess())
    this.#replicas.set(replica, { refuse, replace })
    return replica
  }

  #shut(name: string, cell: Cell<Replica>): void {
    const replica = cell.get()
    const finish = () => {
      if (replica.state.get().unsaved > 0 || this.#documents.get(name)?.users !== 0) return
      unsubscribe()
      this.#documents.delete(name)
      this.#replicas.delete(replica)
      replica.dispose()
    }
    // What was typed last may still be on its way.
    const unsubscribe = replica.state.subscribe(finish)
    finish()
  }

  /** A token that ended is renewed, however long that takes; a membership that ended is not. */
  async #ended(replica: Replica, code: number): Promise<void> {
    if (code !== CLOSE_ENDED) return this.access.ended.set('protocol')
    while (!(await this.access.revive())) {
      if (this.access.ended.get() !== null || !this.#replicas.has(replica)) return
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
    replica.resume()
  }

  /** Connected, once more or for the first time: whose role is another now was connected anew. */
  async #arrived(again: boolean): Promise<void> {
    // Where nobody answers, what is not allowed is refused.
    if (again) this.mayWrite.set(await this.askMayWrite().catch(() => this.mayWrite.get()))
    if (this.mayWrite.get()) return this.#bringKept()
    // Nobody asks a viewer for what the gateway lacks, to refuse it.
    for (const [replica, { refuse }] of this.#replicas) {
      if (replica.state.get().unsaved > 0) refuse('viewers may not write')
    }
  }

  /** What was written in documents that nobody here has open now, and is saved nowhere: it is brought to the others. */
  async #bringKept(): Promise<void> {
    for (const name of await unsavedDocuments(this.self.id, this.project)) {
      if (this.#disposed || !name.startsWith('doc:')) continue
      const { replica: cell, release } = this.document(name)
      const replica = cell.get()
      const look = () => {
        const { everInStep, unsaved } = replica.state.get()
        if (cell.get() === replica && !(everInStep && unsaved === 0)) return
        forget.forEach((unsubscribe) => unsubscribe())
        release()
      }
      const forget = [replica.state.subscribe(look), cell.subscribe(look)]
      look()
    }
  }

  #assess(): void {
    const states: ReplicaState[] = [this.board.get().state.get(), this.system.get().state.get()]
    const inStep = states.every((state) => state.inStep)
    const all = [...this.#replicas.keys()].map((replica) => replica.state.get())
    const facts = this.#facts
    if (inStep && !facts.inStep) void this.#arrived(facts.everInStep)
    const lost = facts.inStep || facts.lostAt === null ? Date.now() : facts.lostAt
    this.#facts = {
      ended: this.access.ended.get(),
      online: navigator.onLine,
      inStep,
      everInStep: facts.everInStep || inStep,
      lostAt: inStep ? null : lost,
      unsaved: all.reduce((sum, state) => sum + state.unsaved, 0),
      tooLarge: this.#stuck().map(([replica]) => replica.name),
      everSaved: facts.everSaved || all.some((state) => state.everSaved),
    }
    this.#say()
  }

  #say(): void {
    clearTimeout(this.#timer)
    const now = Date.now()
    const status = statusOf(this.#facts, now)
    const before = this.status.get()
    if (JSON.stringify(status) !== JSON.stringify(before)) this.status.set(status)
    const next = nextChange(this.#facts, now)
    if (next !== null) this.#timer = setTimeout(() => this.#say(), next - now + 1)
  }
}
