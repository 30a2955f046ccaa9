// The files of deploy/, as the programs that read them take them. What they configure runs in tests/clients/topology.test.mjs.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { root } from './session.mjs'

const binary = resolve(process.env.ORRERY_BIN ?? join(root, 'target/release/orrery'))
const folder = mkdtempSync(join(tmpdir(), 'orrery-deploy.'))
after(() => rmSync(folder, { recursive: true }))

/** How much a unit may do, as systemd reckons it: 100 is everything. */
const EXPOSURE_MAX = 20
const units = readdirSync(join(root, 'deploy/systemd')).filter((name) => name.endsWith('.service'))

const runs = (program, ...args) => spawnSync(program, args, { encoding: 'utf8' })
const has = (program, ...args) => runs(program, ...args).status === 0

test(
  'systemd takes the units, and finds them kept in',
  { skip: !has('systemd-analyze', '--version') && 'no systemd' },
  () => {
    assert.deepEqual(units, ['orrery-ganymede.service', 'orrery-gateway@.service', 'orrery.service'])
    for (const name of units) {
      const unit = join(folder, name)
      writeFileSync(
        unit,
        readFileSync(join(root, 'deploy/systemd', name), 'utf8').replace('/usr/local/bin/orrery', binary),
      )
      const verified = runs('systemd-analyze', 'verify', '--man=no', unit)
      assert.equal(verified.status, 0, verified.stderr)
      assert.doesNotMatch(verified.stderr, new RegExp(name), verified.stderr)
      const judged = runs(
        'systemd-analyze',
        'security',
        '--no-pager',
        '--offline=yes',
        `--threshold=${EXPOSURE_MAX}`,
        unit,
      )
      assert.equal(judged.status, 0, `${name}: ${judged.stdout.split('\n').slice(-3).join('\n')}`)
    }
  },
)

test('compose takes its file', { skip: !has('docker', 'compose', 'version') && 'no compose plugin' }, () => {
  const file = ['--file', join(root, 'deploy/compose.yaml'), '--env-file', join(root, '.env.example')]
  const taken = runs('docker', 'compose', ...file, 'config', '--quiet')
  assert.equal(taken.status, 0, taken.stderr)
})

test('no service in compose is given the address that another one has', () => {
  const text = readFileSync(join(root, 'deploy/compose.yaml'), 'utf8')
  const [, network, first] = text.match(/ip_range: ([\d.]+)\.(\d+)\/25/)
  const fixed = [...text.matchAll(/ipv4_address: ([\d.]+)\.(\d+)/g)]
  assert.ok(fixed.length > 0)
  for (const [address, its, last] of fixed) assert.ok(its === network && Number(last) < Number(first), address)
})

test('compose says nothing that the binary does not take', () => {
  const text = readFileSync(join(root, 'deploy/compose.yaml'), 'utf8')
  const said = [...text.matchAll(/^ +(ORRERY_[A-Z0-9_]+): (.+)$/gm)].map(([, name, value]) => [name, plain(value)])
  assert.ok(said.length >= 10)
  const env = { PATH: process.env.PATH, HOME: folder, ...Object.fromEntries(said) }
  const checked = spawnSync(binary, ['check', '--json'], { env, encoding: 'utf8' })
  // Its data base is not there, which is a fault that it finds; an unknown variable would be one that it stops at.
  assert.ok(checked.stdout.startsWith('{'), checked.stderr)
})

/** A value with what compose puts in where nothing else is said; what has to be said is a word. */
function plain(value) {
  return value.replaceAll(/\$\{[A-Z0-9_]+:-([^}]*)\}/g, (_, otherwise) => otherwise || 'word')
}
