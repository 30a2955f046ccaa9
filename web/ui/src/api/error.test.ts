import { expect, test } from 'vitest'
import { ApiError, refusal } from './error'

test('a refusal is read as the contract has it', () => {
  const body = {
    error: {
      code: 'INVALID_INPUT',
      message: 'the request is not valid',
      details: { fields: { email: 'is no e-mail address', odd: 7 } },
      request_id: '018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f',
    },
  }
  const error = refusal(400, body, null)
  expect(error).toMatchObject({ code: 'INVALID_INPUT', status: 400, message: 'the request is not valid' })
  expect(error.fields).toEqual({ email: 'is no e-mail address' })
  expect(error.requestId).toBe('018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f')
  expect(error.retryAfterSeconds).toBeUndefined()
})

test('a refusal says when it is worth another try', () => {
  const error = refusal(429, { error: { code: 'RATE_LIMITED', message: 'slow down' } }, '7')
  expect(error.retryAfterSeconds).toBe(7)
})

test('an answer that is no refusal of ours is told by its status', () => {
  for (const body of [null, 'Bad Gateway', [], { error: 'x' }, { error: { code: 1, details: { fields: [] } } }]) {
    expect(refusal(502, body, null)).toMatchObject({ code: 'INTERNAL', status: 502, fields: {} })
  }
})

test('whatever was thrown becomes one of these', () => {
  const own = new ApiError('CONFLICT', 'taken', 409)
  expect(ApiError.of(own)).toBe(own)
  expect(ApiError.of(new TypeError('x is undefined'))).toMatchObject({ code: 'INTERNAL', message: 'x is undefined' })
  expect(ApiError.of('odd').code).toBe('INTERNAL')
})
