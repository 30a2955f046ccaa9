import { fieldsOf, textOf } from './fields'

export const PHASES = [
  'pending',
  'starting',
  'running',
  'unhealthy',
  'stopping',
  'stopped',
  'failed',
  'deleted',
] as const
export type Phase = (typeof PHASES)[number]
/** A phase of a later version is shown by its own name. */
export type PhaseOrOther = Phase | 'unknown'

export interface ServiceView {
  name: string
  /** Only `http` and `https`: it becomes a link. */
  url: string | null
  state: string
}

export interface VariableView {
  name: string
  /** Null for a secret. */
  value: string | null
}

/** A user container as everybody in the project sees it. */
export interface ContainerView {
  id: string
  name: string
  slug: string
  image: string
  runner: string | null
  env: readonly VariableView[]
  limits: {
    cpus: number | null
    memory_mb: number | null
    pids: number | null
  }
  desired: string
  createdBy: string | null
  createdAt: string | null
  phase: PhaseOrOther
  /** As it stands there, for phases that this version does not know. */
  phaseText: string
  reason: { code: string; text: string } | null
  since: string | null
  stopAt: string | null
  services: readonly ServiceView[]
  /** The stable URL: that of the first service. */
  url: string | null
}

/** Reads one entry of `userContainers`, however much of it is there. */
export function readContainer(id: string, value: unknown): ContainerView {
  const spec = fieldsOf(value).map('spec')
  const status = fieldsOf(value).map('status')
  const limits = spec.map('limits')
  const phaseText = status.text('phase') ?? 'pending'
  const reason = status.map('reason')
  const code = reason.text('code')
  const services = readServices(spec.list('services_declared'), status.map('services').entries())
  return {
    id,
    name: spec.text('name') ?? id,
    slug: spec.text('slug') ?? '',
    image: spec.text('image') ?? '',
    runner: spec.text('runner'),
    env: spec
      .map('env')
      .entries()
      .map(([name, value]) => ({ name, value: textOf(value) })),
    limits: {
      cpus: limits.number('cpus'),
      memory_mb: limits.number('memory_mb'),
      pids: limits.number('pids'),
    },
    desired: spec.text('desired') ?? 'running',
    createdBy: spec.text('created_by'),
    createdAt: spec.text('created_at'),
    phase: PHASES.find((phase) => phase === phaseText) ?? 'unknown',
    phaseText,
    reason: code === null ? null : { code, text: reason.text('text') ?? '' },
    since: status.text('since'),
    stopAt: status.text('stop_at'),
    services,
    url: services.find((service) => service.url !== null)?.url ?? null,
  }
}

/** The same of one that is still there. The gateway shows for a while what was deleted; to everybody here it is gone. */
export function readPresent(id: string, value: unknown): ContainerView | null {
  const container = readContainer(id, value)
  return container.phase === 'deleted' ? null : container
}

/** Those that the image declares first, in its order; then the rest by name. */
function readServices(declared: readonly unknown[], entries: [string, unknown][]): ServiceView[] {
  const place = (name: string) => (declared.includes(name) ? declared.indexOf(name) : declared.length)
  return entries
    .map(([name, value]) => {
      const service = fieldsOf(value)
      return {
        name,
        url: webAddress(service.text('url')),
        state: service.text('state') ?? 'withdrawn',
      }
    })
    .sort((a, b) => place(a.name) - place(b.name) || a.name.localeCompare(b.name))
}

function webAddress(text: string | null): string | null {
  if (text === null || !URL.canParse(text)) return null
  return /^https?:$/.test(new URL(text).protocol) ? text : null
}

/** What is shown of the phase, in words. */
export function phaseLabel(container: Pick<ContainerView, 'phase' | 'phaseText'>): string {
  const text = container.phase === 'unknown' ? container.phaseText : container.phase
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const REASONS: Record<string, string> = {
  manual: 'Somebody asked for it',
  exited: 'The program ended',
  out_of_memory: 'It took more memory than it may have',
  vanished: 'It is gone from the engine',
  watchdog_silent: 'It used to report, and does not any more',
  not_ready: 'None of its services answered in time',
  probe_failed: 'A service does not answer any more',
  stop_overdue: 'It was asked to stop, and has not',
  engine_unknown: 'The engine does not say what is with it',
  image_unavailable: 'Its image cannot be had',
  no_capacity: 'There is no room for it at the moment',
  refused: 'The engine does not take it as it is',
  no_port: 'It has no URL',
}

/** Why it is in its phase; null where that is plain. */
export function reasonText(container: Pick<ContainerView, 'reason'>): string | null {
  const { reason } = container
  if (reason === null || reason.code === 'manual') return null
  const known = REASONS[reason.code]
  if (known === undefined) return reason.text || reason.code
  return reason.text === '' ? known : `${known}: ${reason.text}`
}

export type Action = 'start' | 'stop' | 'restart' | 'delete'

/** What makes sense for a container in its phase. */
export function actionsFor(container: Pick<ContainerView, 'phase' | 'desired'>): readonly Action[] {
  if (container.desired === 'deleted' || container.phase === 'deleted') return []
  switch (container.phase) {
    case 'running':
    case 'unhealthy':
    case 'starting':
      return ['stop', 'restart', 'delete']
    case 'pending':
      return container.desired === 'stopped' ? ['start', 'delete'] : ['stop', 'delete']
    case 'stopping':
    case 'stopped':
    case 'failed':
      return ['start', 'delete']
    case 'unknown':
      return ['start', 'stop', 'restart', 'delete']
  }
}
