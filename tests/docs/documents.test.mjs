// What the README and the documents tell a reader to type is typed, in reading order, and prints what they say.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { agrees, blocksOf } from './blocks.mjs'
import { Session, root } from './session.mjs'

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const read = (path) => readFileSync(join(root, path), 'utf8')
const isDone = ({ kind }) => ['run', 'output', 'file', 'config'].includes(kind)

for (const document of documents) {
  const blocks = blocksOf(read(document))
  const at = ({ line }) => `${document}:${line}`

  test(`${document} says of each block what becomes of it`, () => {
    const unmarked = blocks.filter(({ kind }) => kind === 'unmarked')
    assert.deepEqual(unmarked.map(at), [], 'blocks without a mark')
    const unreasoned = blocks.filter(({ kind, detail }) => kind === 'skip' && !detail)
    assert.deepEqual(unreasoned.map(at), [], 'left out without a reason')
  })

  test(`${document} is true`, { skip: !blocks.some(isDone) && 'it has no commands' }, async () => {
    const session = new Session()
    try {
      if (blocks.some(({ kind }) => kind === 'run')) await session.up()
      let printed = ''
      for (const block of blocks.filter(isDone)) printed = await follow(session, block, printed, at(block))
    } finally {
      session.close()
    }
  })

  test(`${document} leads to what is there`, () => {
    const links = [...read(document).matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g)].map(([, path]) => path)
    const lost = links.filter((path) => !existsSync(join(root, document, '..', path)))
    assert.deepEqual(lost, [])
  })
}

/** Does what a reader does with a block. What the last commands printed. */
async function follow(session, { kind, detail, text }, printed, where) {
  switch (kind) {
    case 'run': {
      const folder = detail === 'repository' ? root : undefined
      return await session.run(text, folder).catch((error) => assert.fail(`${where} ${error.message}`))
    }
    case 'output':
      assert.ok(agrees(printed, text), `${where}: expected\n${text}\nbut got\n${printed}`)
      return printed
    case 'file':
      if (existsSync(join(root, detail))) {
        assert.equal(text, withoutComment(read(detail)), where)
        session.write(basename(detail), text)
      } else {
        session.write(detail, text)
      }
      return printed
    case 'config':
      session.write('.config.toml', text)
      assert.ok(understood(join(session.folder, '.config.toml'), session), where)
      return printed
    default:
      return assert.fail(`${where}: ${kind}`)
  }
}

/** Whether the keys and values are known. What they name need not be there. */
function understood(file, { environment, folder }) {
  const options = { cwd: folder, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  try {
    return Boolean(execFileSync('orrery', ['check', '--json', '--config', file], options))
  } catch ({ stdout, stderr }) {
    assert.ok(stdout.startsWith('{'), stderr)
    return true
  }
}

/** A file as documents show it: without the comment that it begins with. */
function withoutComment(text) {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => !/^(\/\/|#)/.test(line))
  return lines.slice(first).join('\n').trimStart()
}
