/** A refusal of the API, or `OFFLINE` if nothing answered. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    /** From a closed set, for programs: `NOT_FOUND`, `CONFLICT`, `POOL_EXHAUSTED`, ... */
    readonly code: string,
    message: string,
    /** The HTTP status, 0 if there was none. */
    readonly status: number,
    /** What is wrong with which field of a form. */
    readonly fields: Readonly<Record<string, string>> = {},
    readonly requestId?: string,
    /** When it is worth another try, if the API said so. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message)
  }

  /** Whether the caller changed their mind and aborted. */
  static isAbort(error: unknown): boolean {
    return error instanceof DOMException && error.name === 'AbortError'
  }

  /** The error as one of these, whatever it was. */
  static of(error: unknown): ApiError {
    if (error instanceof ApiError) return error
    return new ApiError('INTERNAL', error instanceof Error ? error.message : 'something went wrong', 0)
  }
}

interface ErrorBody {
  error?: { code?: unknown; message?: unknown; details?: { fields?: unknown }; request_id?: unknown }
}

/** Reads a refusal's body; a body of another form becomes a sentence about the status. */
export function refusal(status: number, body: unknown, retryAfter: string | null): ApiError {
  const error = (body as ErrorBody | null)?.error
  const seconds = Number(retryAfter)
  return new ApiError(
    typeof error?.code === 'string' ? error.code : 'INTERNAL',
    typeof error?.message === 'string' ? error.message : `the request failed with status ${status}`,
    status,
    fieldsOf(error?.details?.fields),
    typeof error?.request_id === 'string' ? error.request_id : undefined,
    retryAfter !== null && Number.isFinite(seconds) ? seconds : undefined,
  )
}

function fieldsOf(fields: unknown): Record<string, string> {
  if (typeof fields !== 'object' || fields === null) return {}
  const texts = Object.entries(fields).filter((field): field is [string, string] => typeof field[1] === 'string')
  return Object.fromEntries(texts)
}
