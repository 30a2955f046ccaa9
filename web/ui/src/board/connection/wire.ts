import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** Numbers of messages: y-protocols, and those of Orrery. */
export const MESSAGE = {
  sync: 0,
  denied: 2,
  ephemeral: 100,
  savedCount: 101,
  savedEcho: 102,
} as const

const STEP2 = 1
const UPDATE = 2

export type Sent = 'step2' | 'update'

/** What of the messages that the provider sends has to be confirmed. */
function kindOf(data: unknown): Sent | null {
  if (!(data instanceof Uint8Array) || data[0] !== MESSAGE.sync) return null
  if (data[1] === STEP2) return 'step2'
  return data[1] === UPDATE ? 'update' : null
}

/** Keeps back what happens until it is open, in order. */
export class Gate {
  #kept: (() => void)[] | null = []

  get isOpen(): boolean {
    return this.#kept === null
  }

  open(): void {
    const kept = this.#kept ?? []
    this.#kept = null
    kept.forEach((happen) => happen())
  }

  pass(happen: () => void): void {
    if (this.#kept === null) happen()
    else this.#kept.push(happen)
  }
}

/**
 * A WebSocket as the stock provider does not have it: it says what was sent through it, and though it connects at once, it
 * says that it is open, and what it heard, only when the gate is.
 */
export function watchedSocket(onSent: (kind: Sent, socket: WebSocket) => void, gate: Gate): typeof WebSocket {
  return class extends WebSocket {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      super.send(data)
      const kind = kindOf(data)
      if (kind !== null) onSent(kind, this)
    }

    override set onopen(listener: WebSocket['onopen']) {
      super.onopen = listener && ((event) => gate.pass(() => void listener.call(this, event)))
    }

    override set onmessage(listener: WebSocket['onmessage']) {
      super.onmessage = listener && ((event) => gate.pass(() => void listener.call(this, event)))
    }
  }
}

/** "Is everything before this durable?" */
export function savedQuery(number: number): Uint8Array<ArrayBuffer> {
  const payload = encoding.createEncoder()
  encoding.writeVarUint(payload, number)
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, MESSAGE.savedEcho)
  encoding.writeVarUint8Array(encoder, encoding.toUint8Array(payload))
  return encoding.toUint8Array(encoder)
}

export function readSavedEcho(decoder: decoding.Decoder): number {
  return decoding.readVarUint(decoding.createDecoder(decoding.readVarUint8Array(decoder)))
}

/** The JSON of an ephemeral message; null for every other message, and for what is no JSON. */
export function ephemeralOf(data: ArrayBuffer): unknown {
  try {
    const decoder = decoding.createDecoder(new Uint8Array(data))
    if (decoding.readVarUint(decoder) !== MESSAGE.ephemeral) return null
    return JSON.parse(decoding.readVarString(decoder))
  } catch {
    return null
  }
}
