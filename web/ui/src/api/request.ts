import { ApiError, refusal } from './error'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface Options {
  body?: unknown
  signal?: AbortSignal | undefined
}

const ended = new Set<() => void>()

/** Calls back when the API says that nobody is signed in any more. Returns how to stop. */
export function onSessionEnd(listener: () => void): () => void {
  ended.add(listener)
  return () => ended.delete(listener)
}

/** Answers that are on their way before anybody has asked. */
const early = new Map<string, Promise<unknown>>()
let isEarly = false

/**
 * Asks now what a page is going to ask as soon as its script is there. Each answer is for whoever asks the same first, and
 * for nobody else.
 */
export function askEarly(questions: () => Promise<unknown>[]): void {
  isEarly = true
  // Whoever asks is told of what goes wrong.
  for (const answer of questions()) answer.catch(() => undefined)
  isEarly = false
}

/** Asks the API of the page's own origin; the session is a cookie. Throws an `ApiError`. */
export function request<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  const question = `${method} ${path}`
  const answer = early.get(question) ?? answerTo<T>(method, path, options)
  early.delete(question)
  if (isEarly) early.set(question, answer)
  return answer as Promise<T>
}

async function answerTo<T>(method: Method, path: string, { body, signal }: Options): Promise<T> {
  const response = await ask(method, path, body, signal)
  if (response.status === 204) return undefined as T
  const answer: unknown = await response.json().catch((error: unknown) => {
    if (ApiError.isAbort(error)) throw error
    return null
  })
  if (response.ok && answer !== null) return answer as T
  if (response.ok) throw new ApiError('INTERNAL', 'something else than Orrery answered; try again', response.status)
  const error = refusal(response.status, answer, response.headers.get('retry-after'))
  if (error.status === 401) {
    // What was asked early is not for whoever signs in next.
    early.clear()
    // Signing in answers the same code, and there the form says what is wrong.
    if (!path.startsWith('/api/auth/')) ended.forEach((listener) => listener())
  }
  throw error
}

async function ask(method: Method, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const bare = method === 'GET' || (method === 'DELETE' && body === undefined)
  const json = bare ? undefined : JSON.stringify(body ?? {})
  try {
    return await fetch(path, {
      method,
      headers:
        json === undefined
          ? { accept: 'application/json' }
          : { accept: 'application/json', 'content-type': 'application/json' },
      ...(json === undefined ? {} : { body: json }),
      ...(signal === undefined ? {} : { signal }),
    })
  } catch (error) {
    if (ApiError.isAbort(error)) throw error
    throw new ApiError('OFFLINE', 'Orrery cannot be reached. Check your connection and try again.', 0)
  }
}
