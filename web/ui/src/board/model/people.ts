import type { Awareness } from 'y-protocols/awareness'
import { colourOf } from '../../design/Avatar'
import { Cell } from '../cell'
import { fieldsOf, textOf } from './fields'
import type { Point } from './nodes'

/** One connection of somebody who is here. */
export interface PersonView {
  client: number
  id: string
  name: string
  color: string
  /** What they have selected on the board. */
  selected: readonly string[]
  /** The document that they look into, `doc:{name}`. */
  open: string | null
}

export type Pointers = ReadonlyMap<number, Point>

const NAME_MAX = 40

/** Reads what a connection shows of itself; null for one that says nothing of who it is. */
export function readPerson(client: number, state: unknown): PersonView | null {
  const fields = fieldsOf(state)
  const user = fields.map('user')
  const name = user.text('name')?.trim().slice(0, NAME_MAX)
  if (!name) return null
  const id = user.text('id') ?? `client ${client}`
  const color = user.text('color')
  return {
    client,
    id,
    name,
    color: color !== null && /^#[0-9a-f]{6}$/i.test(color) ? color : colourOf(id),
    selected: fields.list('selected').flatMap((node) => textOf(node) ?? []),
    open: fields.text('open'),
  }
}

/** Where a connection points at; null if nowhere. */
export function readPointer(state: unknown): Point | null {
  const pointer = fieldsOf(state).map('pointer')
  const [x, y] = [pointer.number('x'), pointer.number('y')]
  return x === null || y === null ? null : { x, y }
}

/** Everybody else who is here, as awareness says. Pointers are apart, because they move all the time. */
export class People {
  readonly others = new Cell<readonly PersonView[]>([])
  readonly pointers = new Cell<Pointers>(new Map())
  readonly #awareness: Awareness

  constructor(awareness: Awareness) {
    this.#awareness = awareness
    awareness.on('change', this.#read)
    this.#read()
  }

  dispose(): void {
    this.#awareness.off('change', this.#read)
  }

  readonly #read = (): void => {
    const others: PersonView[] = []
    const pointers = new Map<number, Point>()
    for (const [client, state] of this.#awareness.getStates()) {
      if (client === this.#awareness.clientID) continue
      const person = readPerson(client, state)
      if (person === null) continue
      others.push(person)
      const pointer = readPointer(state)
      if (pointer !== null) pointers.set(client, pointer)
    }
    others.sort((a, b) => a.name.localeCompare(b.name) || a.client - b.client)
    if (JSON.stringify(others) !== JSON.stringify(this.others.get())) this.others.set(others)
    this.pointers.set(pointers)
  }
}

/** One entry for each person, however many tabs they have open. */
export function distinct(people: readonly PersonView[]): PersonView[] {
  return [...new Map(people.map((person) => [person.id, person])).values()]
}
