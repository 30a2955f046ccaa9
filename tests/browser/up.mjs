// `orrery up` from the real binary, for stories of any kind.
//
//   ORRERY_BIN   the binary; `target/release/orrery` if unset
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const binary = process.env.ORRERY_BIN ?? new URL('../../target/release/orrery', import.meta.url).pathname

/** Starts it on a free port with a data folder of its own, and nothing of this environment but what is given. */
export async function up(environment = {}, flags = []) {
  const folder = await mkdtemp(join(tmpdir(), 'orrery-story.'))
  const env = { HOME: folder, ...environment }
  const listening = ['up', '--listen', '127.0.0.1:0', '--data', join(folder, 'data'), ...flags]
  const child = spawn(binary, listening, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text) => (log += text))
  const url = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`orrery ended before it served:\n${log}`)))
    createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('http') && resolve(line.trim()))
  })
  const stop = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  return { url, stop, log: () => log }
}
