import type { Tone } from '../../design'
import type { PhaseOrOther } from '../model/containers'

/** The colour of a phase; the word beside it says what it means. */
export const PHASE_TONES: Record<PhaseOrOther, Tone> = {
  pending: 'brass',
  starting: 'info',
  running: 'good',
  unhealthy: 'warn',
  stopping: 'brass',
  stopped: 'plain',
  failed: 'bad',
  deleted: 'plain',
  unknown: 'plain',
}
