import type { Action, ContainerView } from './containers'

/** Commands that were given here and whose effect is not in the document yet. */
export type Expected = ReadonlyMap<string, Expectation>

export interface Expectation {
  action: Action
  /** `since` and `desired` of the container when it was given: once they differ, the gateway has decided. */
  since: string | null
  desired: string
}

export function expect(expected: Expected, container: ContainerView, action: Action): Expected {
  const { since, desired } = container
  return new Map(expected).set(container.id, { action, since, desired })
}

/** Refused, or done: the document speaks for itself again. */
export function forget(expected: Expected, id: string): Expected {
  if (!expected.has(id)) return expected
  const rest = new Map(expected)
  rest.delete(id)
  return rest
}

/** The container as it will be if the command is taken. */
export function foresee(container: ContainerView, expected: Expected): ContainerView {
  const expectation = expected.get(container.id)
  if (expectation === undefined || isOver(container, expectation)) return container
  switch (expectation.action) {
    case 'start':
      return {
        ...container,
        phase: 'pending',
        phaseText: 'pending',
        desired: 'running',
        reason: null,
      }
    case 'stop':
      return {
        ...container,
        phase: 'stopping',
        phaseText: 'stopping',
        desired: 'stopped',
        reason: null,
      }
    case 'restart':
      return {
        ...container,
        phase: 'stopping',
        phaseText: 'stopping',
        reason: null,
      }
    case 'delete':
      return {
        ...container,
        phase: 'stopping',
        phaseText: 'stopping',
        desired: 'deleted',
        reason: null,
      }
  }
}

function isOver(container: ContainerView, expectation: Expectation): boolean {
  return container.since !== expectation.since || container.desired !== expectation.desired
}
