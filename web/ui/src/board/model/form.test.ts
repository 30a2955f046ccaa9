import { expect, test } from 'vitest'
import { emptyForm, placeErrors, readForm } from './form'
import { readImage } from './images'

const image = readImage('n8n:latest', {
  env: [
    { name: 'KEY', secret: true, required: true },
    { name: 'TZ', default: 'UTC' },
  ],
})
const generic = readImage('generic', { generic: true })

test('a form becomes a command: what was left as it is stays out', () => {
  const form = emptyForm(image)
  const env = form.env.map((row) => (row.name === 'KEY' ? { ...row, value: 's3cret' } : row))
  expect(readForm({ ...form, name: ' Flows ', env, cpus: '0,5', memory_mb: '512' }, image)).toEqual({
    command: {
      name: 'Flows',
      image: 'n8n:latest',
      env: { KEY: { value: 's3cret', secret: true } },
      limits: { cpus: 0.5, memory_mb: 512 },
    },
  })
  expect(readForm({ ...emptyForm(generic), reference: 'nginx:1' }, generic)).toEqual({
    command: { name: '', image: 'generic/nginx:1' },
  })
  expect(readForm({ ...emptyForm(generic), reference: 'nginx:1', port: ' 8080 ' }, generic)).toEqual({
    command: { name: '', image: 'generic/nginx:1', port: 8080 },
  })
})

test('what is wrong stands beside its field', () => {
  const form = emptyForm(image)
  const env = [
    ...form.env,
    { key: 7, name: '1X', value: 'y', secret: false, declared: false },
    { key: 8, name: 'TZ', value: 'z', secret: false, declared: false },
    { key: 9, name: '', value: '', secret: false, declared: false },
  ]
  const read = readForm({ ...form, env, cpus: 'many', pids: '1.5' }, image)
  expect('errors' in read && Object.keys(read.errors).sort()).toEqual(['env.0', 'env.7', 'limits.cpus', 'limits.pids'])
  expect(readForm(emptyForm(generic), generic)).toEqual({ errors: { image: 'is needed' } })
  const endless = readForm({ ...form, env: [], cpus: 'Infinity' }, image)
  expect(endless).toEqual({ errors: { 'limits.cpus': 'must be a number' } })
  for (const port of ['0', '65536', '80.5', 'http']) {
    expect(readForm({ ...emptyForm(generic), reference: 'nginx:1', port }, generic)).toEqual({
      errors: { port: 'must be from 1 to 65535' },
    })
  }
})

test('what the gateway says of a variable stands beside that variable', () => {
  const form = emptyForm(image)
  expect(placeErrors({ 'env.TZ': 'is too long', 'limits.cpus': 'is too much', name: 'x' }, form)).toEqual({
    'env.1': 'is too long',
    'limits.cpus': 'is too much',
    name: 'x',
  })
})
