import { Cell, type Readable } from '../cell'
import type { Point } from './nodes'

/** After this long, two thirds of the way are done. */
const EASE_MS = 70
/** Closer than this, in board coordinates, it is there. */
const NEAR = 0.5
/** What is farther away was not dragged there: it jumps. */
const JUMP = 2_000

/** Where something is that follows `target`, `elapsed` milliseconds after it was at `from`. */
export function follow(from: Point, target: Point, elapsed: number): Point {
  const [dx, dy] = [target.x - from.x, target.y - from.y]
  const distance = Math.hypot(dx, dy)
  if (distance < NEAR || distance > JUMP) return target
  const part = 1 - Math.exp(-elapsed / EASE_MS)
  return { x: from.x + dx * part, y: from.y + dy * part }
}

/** Calls at most once in `every` milliseconds; the last call of a burst is never lost. */
export function throttle<A extends unknown[]>(every: number, call: (...args: A) => void) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let waiting: A | null = null
  let last = -Infinity
  const run = () => {
    timer = undefined
    if (waiting === null) return
    const args = waiting
    waiting = null
    last = Date.now()
    call(...args)
  }
  const throttled = (...args: A) => {
    waiting = args
    if (timer !== undefined) return
    const wait = last + every - Date.now()
    if (wait <= 0) run()
    else timer = setTimeout(run, wait)
  }
  return Object.assign(throttled, {
    flush: () => {
      clearTimeout(timer)
      run()
    },
    cancel: () => {
      clearTimeout(timer)
      timer = undefined
      waiting = null
    },
  })
}

/**
 * Where nodes are shown while that is not where the document has them: what others move follows smoothly, what this side
 * drags is where the hand is.
 */
export class Motion {
  readonly places = new Cell<ReadonlyMap<string, Point>>(new Map())
  readonly #views: Readable<ReadonlyMap<string, Point>>
  readonly #still: () => boolean
  readonly #held = new Set<string>()
  readonly #unsubscribe: () => void
  #known: ReadonlyMap<string, Point>
  #frame: number | null = null
  #last = 0

  /** `still` says whether things should not move on their own. */
  constructor(views: Readable<ReadonlyMap<string, Point>>, still: () => boolean) {
    this.#views = views
    this.#still = still
    this.#known = views.get()
    this.#unsubscribe = views.subscribe(() => this.#changed())
  }

  dispose(): void {
    this.#unsubscribe()
    if (this.#frame !== null) cancelAnimationFrame(this.#frame)
  }

  hold(id: string, at: Point): void {
    this.#held.add(id)
    this.places.set(new Map(this.places.get()).set(id, at))
  }

  isHeld(id: string): boolean {
    return this.#held.has(id)
  }

  release(id: string): void {
    if (!this.#held.delete(id)) return
    const places = new Map(this.places.get())
    places.delete(id)
    this.places.set(places)
  }

  #changed(): void {
    const [before, now] = [this.#known, this.#views.get()]
    this.#known = now
    if (this.#still()) return
    const places = new Map(this.places.get())
    for (const [id, view] of now) {
      const old = before.get(id)
      if (old === undefined || old === view || this.#held.has(id) || places.has(id)) continue
      if (old.x !== view.x || old.y !== view.y) places.set(id, { x: old.x, y: old.y })
    }
    if (places.size > this.places.get().size) this.places.set(places)
    this.#run()
  }

  #run(): void {
    if (this.#frame !== null || this.places.get().size === this.#held.size) return
    this.#last = performance.now()
    const frame = (now: number) => {
      this.#frame = null
      this.#advance(Math.max(0, now - this.#last))
      this.#last = now
      if (this.places.get().size > this.#held.size) this.#frame = requestAnimationFrame(frame)
    }
    this.#frame = requestAnimationFrame(frame)
  }

  #advance(elapsed: number): void {
    const places = new Map<string, Point>()
    for (const [id, at] of this.places.get()) {
      const target = this.#views.get().get(id)
      if (this.#held.has(id)) places.set(id, at)
      else if (target !== undefined) {
        const next = follow(at, target, elapsed)
        if (next.x !== target.x || next.y !== target.y) places.set(id, next)
      }
    }
    this.places.set(places)
  }
}
