// Empties the folder of a build, but for the file that keeps it in the repository.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vite'

export function clean(): Plugin {
  let folder = ''
  return {
    name: 'orrery:clean',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir)
    },
    async buildStart() {
      const old = await readdir(folder).catch(() => [])
      const paths = old.filter((name) => name !== '.gitignore').map((name) => join(folder, name))
      await Promise.all(paths.map((path) => rm(path, { recursive: true, force: true })))
    },
  }
}
