// Not `crypto.randomUUID`: pages that came without TLS do not have it.
import { uuidv4 } from 'lib0/random'
import * as Y from 'yjs'
import { Cell } from '../cell'
import { Entries } from './entries'
import {
  NOTE_SIZES,
  readEdge,
  readNode,
  SIZES,
  type EdgeView,
  type NodeView,
  type NoteColor,
  type Point,
} from './nodes'
import { entryOf, holdsOthers, madeBy, type Step } from './shared'

/** Everything that goes back with one undo was done within one step, however long it took. */
const NEVER_MS = Number.MAX_SAFE_INTEGER

/** Things on the board, by their keys. */
export interface Things {
  nodes: string[]
  edges: string[]
}

/** The board as a shared document: what is on it, and every change that this side makes to it. */
export class Board {
  readonly nodes: Entries<NodeView>
  readonly edges: Entries<EdgeView>
  /** What there is to undo, and to redo. */
  readonly can = new Cell({ undo: false, redo: false })
  readonly #history: Y.UndoManager
  readonly #doc: Y.Doc
  readonly #nodes: Y.Map<unknown>
  readonly #edges: Y.Map<unknown>
  /** Marks what is done here: only that is undone here. */
  readonly #origin = {}

  constructor(doc: Y.Doc) {
    this.#doc = doc
    this.#nodes = doc.getMap('nodes')
    this.#edges = doc.getMap('edges')
    this.nodes = new Entries<NodeView>(this.#nodes, readNode)
    this.edges = new Entries<EdgeView>(this.#edges, readEdge)
    this.#history = new Y.UndoManager([this.#nodes, this.#edges], {
      trackedOrigins: new Set([this.#origin]),
      captureTimeout: NEVER_MS,
      // Where a step changes nothing any more it goes on to the one before, and asks nobody.
      deleteFilter: (item) => !this.#isShared(...entryOf(item)),
    })
    this.#history.on('stack-item-added', this.#tell)
    this.#history.on('stack-cleared', this.#tell)
  }

  dispose(): void {
    this.nodes.dispose()
    this.edges.dispose()
    this.#history.destroy()
  }

  /** What follows is a step of its own for undo. */
  step(): void {
    this.#history.stopCapturing()
  }

  /** Takes back the last step. What would go with it though others have a part in it stays, and is answered. */
  undo(): Things | null {
    return this.#goBack(this.#history.undoStack, () => this.#history.undo())
  }

  /** Does again what was undone last. What would go with it though others have a part in it stays, and is answered. */
  redo(): Things | null {
    return this.#goBack(this.#history.redoStack, () => this.#history.redo())
  }

  addNote(at: Point, color: NoteColor = 'brass'): string {
    return this.#add({
      type: 'note',
      ...at,
      ...SIZES.note,
      color,
      text: new Y.XmlFragment(),
    })
  }

  addCode(at: Point, title: string, language: string): string {
    const document = `doc:${uuidv4()}`
    return this.#add({
      type: 'code',
      ...at,
      ...SIZES.code,
      title,
      language,
      document,
    })
  }

  addCard(at: Point, container: string): string {
    return this.#add({
      type: 'container',
      ...at,
      ...SIZES.container,
      container,
    })
  }

  move(places: Iterable<readonly [string, Point]>): void {
    this.#write(() => {
      for (const [id, { x, y }] of places) put(this.#nodes.get(id), { x: Math.round(x), y: Math.round(y) })
    })
  }

  resize(id: string, box: Point & { width: number; height: number }): void {
    const [x, y] = [Math.round(box.x), Math.round(box.y)]
    const [width, height] = [Math.round(box.width), Math.round(box.height)]
    this.#write(() => put(this.#nodes.get(id), { x, y, width, height }))
  }

  /** Makes a note larger by so much, or smaller. */
  grow(id: string, by: number): void {
    const note = this.nodes.views.get().get(id)
    if (note?.type !== 'note') return
    const { least, most } = NOTE_SIZES
    const grown = (of: 'width' | 'height') => Math.min(most[of], Math.max(least[of], note[of] + by))
    this.#writeStep(() => put(this.#nodes.get(id), { width: grown('width'), height: grown('height') }))
  }

  change(id: string, fields: { title?: string; language?: string; color?: NoteColor }): void {
    this.#writeStep(() => put(this.#nodes.get(id), fields))
  }

  /** Says what a connection is; an empty text says nothing. */
  label(edge: string, text: string): void {
    this.#writeStep(() => put(this.#edges.get(edge), { label: text }))
  }

  connect(source: string, target: string, label = ''): string | null {
    const same = (edge: EdgeView) => edge.source === source && edge.target === target
    if (source === target || [...this.edges.views.get().values()].some(same)) return null
    const id = uuidv4()
    this.#writeStep(() => this.#edges.set(id, mapOf({ source, target, ...(label !== '' && { label }) })))
    return id
  }

  /** Removes nodes and edges, and the edges that end at these nodes. */
  remove(nodes: readonly string[], edges: readonly string[] = []): void {
    this.#writeStep(() => {
      nodes.forEach((id) => this.#nodes.delete(id))
      for (const id of [...edges, ...this.#edgesAt(nodes)]) this.#edges.delete(id)
    })
  }

  #add(fields: Record<string, unknown>): string {
    const id = uuidv4()
    this.#writeStep(() => this.#nodes.set(id, mapOf(fields)))
    return id
  }

  #goBack(steps: Step[], go: () => unknown): Things | null {
    const step = steps.at(-1)
    const shared = step === undefined ? null : this.#sharedOf(step)
    if (shared === null) go()
    else steps.pop()
    this.#tell()
    return shared
  }

  /** What goes if a step is taken back, should others have a part in any of it; null if that is not so. */
  #sharedOf(step: Step): Things | null {
    const [nodes, edges] = [madeBy(step, this.#nodes), madeBy(step, this.#edges)]
    const isShared =
      nodes.some((id) => this.#isShared(this.#nodes, id)) || edges.some((id) => this.#isShared(this.#edges, id))
    return isShared ? { nodes, edges } : null
  }

  /** Whether others have a part in a node, or in an edge. */
  #isShared(root: unknown, id: string): boolean {
    const own = this.#doc.clientID
    if (root === this.#edges) return holdsOthers(this.#edges, id, own)
    // What is written in a code document stands in another one.
    const isCode = this.nodes.views.get().get(id)?.type === 'code'
    return (
      isCode ||
      holdsOthers(this.#nodes, id, own) ||
      this.#edgesAt([id]).some((edge) => this.#isShared(this.#edges, edge))
    )
  }

  #edgesAt(nodes: readonly string[]): string[] {
    const edges = [...this.edges.views.get().values()]
    return edges.flatMap(({ id, source, target }) => (nodes.includes(source) || nodes.includes(target) ? id : []))
  }

  readonly #tell = (): void => {
    this.can.set({ undo: this.#history.canUndo(), redo: this.#history.canRedo() })
  }

  /** A change that undo takes back by itself. */
  #writeStep(change: () => void): void {
    this.step()
    this.#write(change)
    this.step()
  }

  #write(change: () => void): void {
    this.#doc.transact(change, this.#origin)
  }
}

/** Writes what differs, if there is something to write it to. */
function put(map: unknown, fields: Record<string, unknown>): void {
  if (!(map instanceof Y.Map)) return
  for (const [name, value] of Object.entries(fields)) {
    if (map.get(name) !== value) map.set(name, value)
  }
}

function mapOf(fields: Record<string, unknown>): Y.Map<unknown> {
  return new Y.Map(Object.entries(fields))
}
