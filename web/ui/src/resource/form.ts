import { useState } from 'react'
import { ApiError } from '../api'

export interface Submission {
  busy: boolean
  /** What is wrong with which field. */
  fields: Readonly<Record<string, string>>
  /** What is wrong, if it is none of the fields that the form shows. */
  error: ApiError | undefined
  submit: (deed: () => Promise<void>) => Promise<void>
}

/** Sending a form: one at a time, with what the API says about it sorted by the fields that the form shows. */
export function useSubmission(shown: readonly string[]): Submission {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<ApiError>()
  const submit = async (deed: () => Promise<void>) => {
    if (busy) return
    setBusy(true)
    setError(undefined)
    try {
      await deed()
    } catch (error) {
      setError(ApiError.of(error))
    } finally {
      setBusy(false)
    }
  }
  const fields = error?.fields ?? {}
  const beside = Object.keys(fields).some((field) => shown.includes(field))
  return { busy, fields, error: beside ? undefined : error, submit }
}

/** The texts of a submitted form, by name. */
export function textsOf<K extends string>(form: HTMLFormElement, ...names: K[]): Record<K, string> {
  const data = new FormData(form)
  const texts = names.map((name) => {
    const value = data.get(name)
    return [name, typeof value === 'string' ? value : '']
  })
  return Object.fromEntries(texts) as Record<K, string>
}
