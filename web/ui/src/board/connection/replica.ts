import * as decoding from 'lib0/decoding'
import { fetchUpdates, IndexeddbPersistence } from 'y-indexeddb'
import { readAuthMessage } from 'y-protocols/auth'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { forgetUnsaved, readUnsaved, sum, unsavedKey, type Unsaved } from '../../session/kept'
import { Cell } from '../cell'
import type { Access, Gateway } from './access'
import { Ledger } from './ledger'
import { Gate, MESSAGE, readSavedEcho, savedQuery, watchedSocket, type Sent } from './wire'

export interface ReplicaState {
  /** What the gateway has is here; what is here, it was told. */
  inStep: boolean
  everInStep: boolean
  unsaved: number
  everSaved: boolean
  /** This browser keeps what is written here until it is saved. */
  keeps: boolean
  /** The gateway does not take what this side has to say at once: nothing is sent until somebody makes it less. */
  tooLarge: boolean
}

export interface ReplicaEvents {
  /** A write was refused: this replica holds what nobody else will ever have. */
  refused(reason: string): void
  /** Closed for good, with this code. */
  closed(code: number): void
}

export interface ReplicaOptions {
  access: Access
  gateway: Gateway
  project: string
  name: string
  /** Whether this side writes: then its edits are counted, and kept in the browser under this name. */
  keptAs: string | null
  events: ReplicaEvents
}

/** A message was larger than the gateway takes. Sent again it would be as large. */
const CLOSE_TOO_LARGE = 1009
/** Connections that do not open mean an old token or a gateway that is gone; the browser does not say which. */
const FAILURES_BEFORE_REVIVAL = 2
/** A browser whose storage does not answer must not keep anybody from working. */
const STORAGE_MS = 2_000
/** A gateway that is there answers sooner. */
const PROBE_MS = 3_000

/** One document of the project in this browser: the Y.Doc, its connection, what is kept of it, and what of it is saved. */
export class Replica {
  readonly doc = new Y.Doc()
  readonly provider: WebsocketProvider
  readonly state = new Cell<ReplicaState>({
    inStep: false,
    everInStep: false,
    unsaved: 0,
    everSaved: false,
    keeps: false,
    tooLarge: false,
  })
  readonly #options: ReplicaOptions
  readonly #kept: IndexeddbPersistence | null = null
  /** Open when this side knows what it has, and can say what it lacks. */
  readonly #gate = new Gate()
  readonly #ledger = new Ledger()
  /** Where the browser's storage says how much of it is unsaved, and what it says. */
  readonly #key = unsavedKey(this.doc.clientID)
  #written = 0
  /** What other tabs have, or had, that was not known to be saved; and the query that says so once it is answered. */
  #others: Unsaved = new Map()
  #brought = Infinity
  #carried: 0 | 1 = 0
  #keeps = false
  #tooLarge = false
  #failures = 0
  #disposed = false
  readonly #unsubscribe: (() => void)[] = []

  constructor(options: ReplicaOptions) {
    this.#options = options
    if (options.keptAs !== null) {
      // Before the provider: an edit is counted before it is sent.
      this.doc.on('update', this.#updated)
      this.#kept = new IndexeddbPersistence(options.keptAs, this.doc)
    }
    this.provider = this.#makeProvider()
    if (this.#kept !== null) this.#readKept(this.#kept)
    this.#unsubscribe.push(
      options.access.token.subscribe(() => this.#aim()),
      options.access.gateway.subscribe(() => this.#aim()),
    )
    this.provider.connect()
  }

  get name(): string {
    return this.#options.name
  }

  get awareness(): Awareness {
    return this.provider.awareness
  }

  dispose(): void {
    this.#disposed = true
    this.#unsubscribe.forEach((unsubscribe) => unsubscribe())
    this.provider.destroy()
    this.awareness.destroy()
    this.#kept?.destroy().catch(() => undefined)
    this.doc.destroy()
  }

  /** Connects now instead of at the next turn of the back-off; a connection that does not answer is made anew. */
  probe(): void {
    const { provider } = this
    if (!provider.shouldConnect) return
    if (provider.ws?.readyState !== WebSocket.OPEN) return provider.connect()
    const asked = provider.wsLastMessageReceived
    provider.ws.send(savedQuery(0))
    setTimeout(() => {
      if (this.#disposed || !provider.wsconnected || provider.wsLastMessageReceived !== asked) return
      provider.disconnect()
      provider.connect()
    }, PROBE_MS)
  }

  /** Ends this replica and forgets what the browser kept of it, if it keeps anything at all. */
  async discard(): Promise<void> {
    this.dispose()
    await this.#kept?.clearData().catch(() => undefined)
  }

  /** Connects again after it was closed for good. */
  resume(): void {
    if (this.#disposed) return
    this.#tooLarge = false
    this.#tell()
    this.provider.connect()
  }

  #makeProvider(): WebsocketProvider {
    const { access, gateway, project, name, keptAs } = this.#options
    const params: Record<string, string> = { token: access.token.get() ?? '' }
    if (keptAs !== null) params.ext = '1'
    const provider = new WebsocketProvider(`${gateway.ws_url}/${project}`, name, this.doc, {
      connect: false,
      // Two tabs meet at the gateway, where what they do is saved.
      disableBc: true,
      params,
      shouldReconnect: ({ code }) => code !== CLOSE_TOO_LARGE && !(code >= 4400 && code < 4500),
      WebSocketPolyfill: keptAs === null ? WebSocket : watchedSocket(this.#sent, this.#gate),
    })
    provider.messageHandlers[MESSAGE.denied] = (_encoder, decoder) =>
      readAuthMessage(decoder, this.doc, (_doc, reason) => this.#options.events.refused(reason))
    provider.messageHandlers[MESSAGE.savedCount] = (_encoder, decoder) => {
      this.#ledger.confirmedUpdates(decoding.readVarUint(decoder))
      this.#tell()
    }
    provider.messageHandlers[MESSAGE.savedEcho] = (_encoder, decoder) => {
      const number = readSavedEcho(decoder)
      this.#ledger.confirmedQuery(number)
      if (number >= this.#brought) this.#forgetOthers()
      this.#tell()
    }
    provider.messageHandlers[MESSAGE.ephemeral] = () => undefined
    provider.on('sync', () => this.#tell())
    provider.on('connection-close', () => this.#lost())
    provider.on('closed', ({ code }) => {
      if (code !== CLOSE_TOO_LARGE) return this.#options.events.closed(code)
      this.#tooLarge = true
      this.#tell()
    })
    return provider
  }

  /** Reads what the browser kept, and how much of it nobody else has, while the connection is made. */
  #readKept(kept: IndexeddbPersistence): void {
    let counted = false
    const open = () => {
      if (!counted || !kept.synced || this.#disposed) return
      this.#tell()
      // It came late: the connection was made without it.
      if (this.#gate.isOpen) void this.#bringOthers()
      this.#gate.open()
    }
    // Not its promise: this side says what it lacks before what it has is drawn.
    kept.on('synced', open)
    const read = async (database: IDBDatabase) => {
      this.#watch(kept)
      await this.#readOthers(database)
    }
    const done = () => {
      counted = true
      open()
    }
    kept._db.then(read).then(done, done)
    setTimeout(() => this.#gate.open(), STORAGE_MS)
  }

  async #readOthers(database: IDBDatabase): Promise<void> {
    const others = new Map(await readUnsaved(database))
    others.delete(this.#key)
    this.#others = others
  }

  /** Brings along what other tabs of this browser have written, and may have left behind. */
  async #bringOthers(): Promise<void> {
    this.#brought = Infinity
    const kept = this.#kept
    if (!kept?.synced) return
    const read = async (database: IDBDatabase) => {
      // What is counted is there: that is read afterwards.
      await this.#readOthers(database)
      if (this.#others.size > 0) await fetchUpdates(kept)
    }
    // From a storage that was taken away nothing more comes than what this side has.
    if (this.#keeps && kept.db) await read(kept.db).catch(() => undefined)
    if (this.#disposed) return
    if (this.#others.size > 0 && this.provider.wsconnected) {
      this.#brought = this.#ledger.query()
      this.provider.ws?.send(savedQuery(this.#brought))
    }
    this.#tell()
  }

  #forgetOthers(): void {
    const database = this.#kept?.db
    if (database) forgetUnsaved(database, this.#others).catch(() => undefined)
    this.#others = new Map()
    this.#brought = Infinity
  }

  /**
   * The storage can be taken away while it is open: by the browser, by whoever tidies it up, by another tab. What keeps the
   * changes would throw at every further one then, and nobody after it would hear of any.
   */
  #watch(kept: IndexeddbPersistence): void {
    const lost = () => {
      this.#keeps = false
      kept.destroy().catch(() => undefined)
      this.#tell()
    }
    for (const end of ['close', 'versionchange', 'abort']) kept.db?.addEventListener(end, lost, { once: true })
    this.#keeps = true
    this.#tell()
  }

  readonly #updated = (_update: Uint8Array, origin: unknown): void => {
    this.#carried = origin === this.provider || origin === this.#kept ? 0 : 1
    if (this.#carried === 0) return
    this.#ledger.edited()
    this.#tell()
  }

  readonly #sent = (kind: Sent, socket: WebSocket): void => {
    if (kind === 'update') return this.#ledger.sentUpdate(this.#carried)
    socket.send(savedQuery(this.#ledger.sentStep2()))
    void this.#bringOthers()
  }

  #lost(): void {
    const worked = this.provider.wsUnsuccessfulReconnects === 0
    this.#failures = worked ? 0 : this.#failures + 1
    this.#ledger.closed()
    this.#tell()
    if (this.#failures >= FAILURES_BEFORE_REVIVAL && navigator.onLine) {
      this.#failures = 0
      void this.#options.access.revive()
    }
  }

  /** Where the next connection goes, and with which token. */
  #aim(): void {
    const { access, project } = this.#options
    const gateway = access.gateway.get()
    if (gateway !== null) this.provider.serverUrl = `${gateway.ws_url}/${project}`
    this.provider.params.token = access.token.get() ?? ''
    // A connection that was closed for good waits for a token that is good again, however long that takes.
    if (!this.provider.shouldConnect && !this.#tooLarge) this.provider.connect()
  }

  #tell(): void {
    const before = this.state.get()
    const unsaved = this.#ledger.unsaved + sum(this.#others)
    const inStep = this.provider.synced
    const now: ReplicaState = {
      inStep,
      everInStep: before.everInStep || inStep,
      unsaved,
      everSaved: before.everSaved || (before.unsaved > 0 && unsaved === 0),
      keeps: this.#keeps,
      tooLarge: this.#tooLarge,
    }
    this.#write()
    if (JSON.stringify(now) !== JSON.stringify(before)) this.state.set(now)
  }

  /** Says in the browser's storage how much of this tab is unsaved. */
  #write(): void {
    const unsaved = this.#ledger.unsaved
    if (this.#written === unsaved || !this.#keeps || !this.#kept?.synced || this.#disposed) return
    this.#written = unsaved
    // It is written a turn later than the changes themselves: what is counted is kept.
    // A count that was not written is that of the last time; the storage has ended, or is about to.
    const written = unsaved === 0 ? this.#kept.del(this.#key) : this.#kept.set(this.#key, unsaved)
    written.catch(() => undefined)
  }
}
