// `.env.example` has every variable that is read, with its default, and no other.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './session.mjs'

const read = (path) => readFileSync(join(root, path), 'utf8')
const sorted = (names) => [...new Set(names)].sort()

/** Name to value; what is commented out too. */
const example = new Map(
  [...read('.env.example').matchAll(/^#?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value]),
)
/** Whose default depends on the machine, or must be said. */
const OWN = ['ORRERY_DATA', 'ORRERY_DOMAIN', 'ORRERY_DNS_ADDRESS']

test('the example has what the binary, its sources and the compose file read', () => {
  const keys = leaves(configuration()).map(([path]) => variable(path))
  // Names in the two files that read others: the prefix alone is none.
  const named = ['src/config/environment.rs', 'ganymede/src/dns/config.rs'].flatMap((path) => {
    const text = read(path).split('#[cfg(test)]')[0]
    return [...text.matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)"/g)].map(([, name]) => name)
  })
  const interpolated = [...read('deploy/compose.yaml').matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, name]) => name)
  assert.deepEqual(sorted(example.keys()), sorted([...keys, ...named, ...interpolated]))
})

test('the example has every default', () => {
  const defaults = leaves(configuration()).filter(([path]) => !OWN.includes(variable(path)))
  for (const [path, value] of defaults) assert.equal(example.get(variable(path)), String(value), variable(path))
})

test('the example sets nothing that the binary does not take', () => {
  const set = [...read('.env.example').matchAll(/^([A-Z0-9_]+)=(.+)$/gm)].map(([, name, value]) => [name, value])
  const ours = set.filter(([name]) => name.startsWith('ORRERY_'))
  assert.ok(ours.length > 0)
  assert.equal(configuration(Object.fromEntries(ours)).domain, 'team.example')
})

/** The configuration in effect where only this is said. */
function configuration(environment = {}) {
  const home = mkdtempSync(join(tmpdir(), 'orrery-environment.'))
  const binary = process.env.ORRERY_BIN ?? join(root, 'target/release/orrery')
  const env = { HOME: home, PATH: process.env.PATH, ...environment }
  const { stdout, stderr } = spawnSync(binary, ['check', '--json'], { env, encoding: 'utf8' })
  rmSync(home, { recursive: true })
  // It may find fault with what a machine has; what it makes of the environment it says all the same.
  assert.ok(stdout.startsWith('{'), stderr)
  return JSON.parse(stdout).config
}

/** Every key that a variable can set, as its path, and its value. */
function leaves(table, path = []) {
  return Object.entries(table).flatMap(([key, value]) => {
    if (Array.isArray(value)) return []
    return typeof value === 'object' ? leaves(value, [...path, key]) : [[[...path, key], value]]
  })
}

function variable(path) {
  return `ORRERY_${path.join('_').toUpperCase()}`
}
