// One reader at one terminal: a shell in an empty folder, with a fresh Orrery that serves from a data folder of its own.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')
const binary = process.env.ORRERY_BIN ?? join(root, 'target/release/orrery')
const PATIENCE_MS = 300_000
/** Containers would outlive the reader; they have tests of their own. */
const UP = `
ORRERY_ENGINE_ENABLED=off orrery up --listen 127.0.0.1:0 > .up 2> .log & orrery=$!
until grep -sq ^http .up; do kill -0 $orrery; read -rt 0.05 <> <(:) || true; done
cat .up
`
/** Where documents say that Orrery is. */
const DOCUMENTED = /(127\.0\.0\.1|localhost):7000/g

export class Session {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'orrery-docs.'))
    const programs = join(this.folder, '.programs')
    mkdirSync(programs)
    symlinkSync(resolve(binary), join(programs, 'orrery'))
    const ours = ([name]) => name.startsWith('ORRERY_') || name === 'NODE_TEST_CONTEXT'
    this.environment = {
      ...Object.fromEntries(Object.entries(process.env).filter((variable) => !ours(variable))),
      PATH: `${programs}:${process.env.PATH}`,
      XDG_DATA_HOME: join(this.folder, '.share'),
      REPOSITORY: root,
      POSTGRES: process.env.ORRERY_TEST_POSTGRES ?? '',
    }
    // A session of the kernel's, by which everything that it started is found.
    this.shell = spawn('bash', ['--norc', '-eo', 'pipefail'], {
      cwd: this.folder,
      env: this.environment,
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.printed = ''
    this.shell.stdout.setEncoding('utf8').on('data', (text) => (this.printed += text))
    this.number = 0
  }

  /** Starts what `make up` starts, and takes its address for the one that documents name. */
  async up() {
    const printed = await this.run(UP)
    this.address = new URL(printed.trim()).host
  }

  /** What the commands print, on either stream. The shell ends with the first that fails. */
  async run(commands, folder = this.folder) {
    const file = join(this.folder, `.commands-${++this.number}`)
    writeFileSync(file, commands.replaceAll(DOCUMENTED, this.address ?? '$&'))
    const before = this.printed.length
    const end = `-- ${this.number} is done --\n`
    this.shell.stdin.write(`cd '${folder}'; . '${file}' </dev/null 2>&1; cd '${this.folder}'; printf '%s' '${end}'\n`)
    const printed = () => this.printed.slice(before)
    await new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`takes too long:\n${printed()}`)), PATIENCE_MS)
      const look = () => this.printed.includes(end, before) && settle(done)
      const gone = () => settle(() => failed(new Error(`fails:\n${printed()}`)))
      const settle = (how) => {
        clearTimeout(late)
        this.shell.stdout.off('data', look)
        this.shell.off('exit', gone)
        how()
      }
      this.shell.stdout.on('data', look)
      this.shell.once('exit', gone)
    })
    return this.printed.slice(before, this.printed.indexOf(end, before))
  }

  /** Puts a file where the commands find it. */
  write(name, text) {
    const path = join(this.folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text.replaceAll(DOCUMENTED, this.address ?? '$&'))
  }

  /** Ends everything that was started here. */
  close() {
    let found = ''
    try {
      found = execFileSync('ps', ['-o', 'pid=', '--sid', String(this.shell.pid)], { encoding: 'utf8' })
    } catch {
      // Nothing is left of it.
    }
    for (const pid of found.split('\n').map(Number).filter(Boolean)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
