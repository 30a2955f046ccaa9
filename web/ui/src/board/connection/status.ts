/** What the board says about its connection. Pure: facts and a time in, one of few states out. */
export type Status =
  | { kind: 'connecting' }
  | { kind: 'live' }
  | { kind: 'saving'; unsaved: number }
  | { kind: 'saved' }
  | { kind: 'reconnecting'; unsaved: number }
  | { kind: 'offline'; unsaved: number }
  | { kind: 'stuck'; documents: readonly string[]; unsaved: number }
  | { kind: 'ended'; why: Ended }

/** Why there is no way back by waiting. */
export type Ended = 'signed-out' | 'no-access' | 'gone' | 'protocol'

export interface Facts {
  ended: Ended | null
  /** What the browser thinks of its network. */
  online: boolean
  /** Every document that must be open for the board to be live is in step. */
  inStep: boolean
  /** It was in step before. */
  everInStep: boolean
  /** Since when it is not, in milliseconds; null while it is. */
  lostAt: number | null
  unsaved: number
  /** Documents in which there is more to be saved than the gateway takes at once. */
  tooLarge: readonly string[]
  /** Something was saved since the page was opened. */
  everSaved: boolean
}

/** A hot swap takes less: it is not worth a word. */
export const QUIET_MS = 2_000
/** After this long it is no short interruption any more. */
export const OFFLINE_MS = 15_000

export function statusOf(facts: Facts, now: number): Status {
  const { unsaved } = facts
  if (facts.ended !== null) return { kind: 'ended', why: facts.ended }
  if (facts.tooLarge.length > 0) return { kind: 'stuck', documents: facts.tooLarge, unsaved }
  if (!facts.inStep) {
    const lostFor = facts.lostAt === null ? 0 : now - facts.lostAt
    if (!facts.online || lostFor >= OFFLINE_MS) return { kind: 'offline', unsaved }
    if (!facts.everInStep) return { kind: 'connecting' }
    if (lostFor >= QUIET_MS) return { kind: 'reconnecting', unsaved }
  }
  if (unsaved > 0) return { kind: 'saving', unsaved }
  return { kind: facts.everSaved ? 'saved' : 'live' }
}

/** When `statusOf` may next say something else by the passing of time alone. */
export function nextChange(facts: Facts, now: number): number | null {
  if (facts.inStep || facts.lostAt === null || facts.ended !== null || facts.tooLarge.length > 0) return null
  const due = [facts.lostAt + QUIET_MS, facts.lostAt + OFFLINE_MS].filter((at) => at > now)
  return due.length === 0 ? null : Math.min(...due)
}
