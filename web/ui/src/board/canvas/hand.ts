import type { NodeChange } from '@xyflow/react'
import { throttle } from '../model/motion'
import type { Point } from '../model/nodes'
import type { OpenBoard } from '../workspace'
import type { BoardNode } from './useFlowNodes'

/** How often a node that is dragged is written: others see it smoothly, and the document does not grow by every pixel. */
const WRITE_EVERY_MS = 66
/** Arrow keys within this time are one step for undo. */
const KEYS_MS = 800

/** Takes what is done with nodes on the canvas to the document: dragging, arrow keys, sizes. */
export class Hand {
  readonly #open: OpenBoard
  readonly #dragged = new Map<string, Point>()
  readonly #write = throttle(WRITE_EVERY_MS, () => {
    this.#open.board.move(this.#dragged)
    this.#dragged.clear()
  })
  #keyAt = 0

  constructor(open: OpenBoard) {
    this.#open = open
  }

  take(changes: NodeChange<BoardNode>[]): void {
    const dropped: [string, Point][] = []
    // A node that is sized from the left moves too: that is not dragging.
    const sized = new Set(changes.flatMap((change) => (change.type === 'dimensions' ? change.id : [])))
    for (const change of changes) {
      if (change.type === 'position' && change.position !== undefined && !sized.has(change.id)) {
        if (change.dragging) this.#drag(change.id, change.position)
        else dropped.push([change.id, change.position])
      }
      if (change.type === 'dimensions' && change.resizing && change.dimensions !== undefined) {
        const moved = changes.find((other) => other.type === 'position' && other.id === change.id)
        this.#size(change.id, moved?.type === 'position' ? moved.position : undefined, change.dimensions)
      }
    }
    if (dropped.length > 0) this.#drop(dropped)
  }

  #drag(id: string, at: Point): void {
    this.#dragged.set(id, at)
    this.#open.motion.hold(id, at)
    this.#write()
  }

  #drop(places: [string, Point][]): void {
    const { board, motion } = this.#open
    const byHand = places.some(([id]) => motion.isHeld(id))
    if (!byHand) {
      if (Date.now() - this.#keyAt > KEYS_MS) board.step()
      this.#keyAt = Date.now()
    }
    this.#write.cancel()
    this.#dragged.clear()
    board.move(places)
    places.forEach(([id]) => motion.release(id))
    if (byHand) board.step()
  }

  #size(id: string, at: Point | undefined, size: { width: number; height: number }): void {
    const view = this.#open.board.nodes.views.get().get(id)
    if (view !== undefined) this.#open.board.resize(id, { x: view.x, y: view.y, ...at, ...size })
  }
}
