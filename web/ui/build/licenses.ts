// Licences of the fonts, which the bundler does not know of, beside those of the packages, which it collects itself.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vite'

const families = ['inter', 'newsreader']

export function fontLicenses(): Plugin {
  let root = ''
  return {
    name: 'orrery:font-licenses',
    apply: 'build',
    configResolved(config) {
      root = config.root
    },
    async generateBundle() {
      const file = (family: string) => join(root, 'node_modules/@fontsource-variable', family, 'LICENSE')
      const texts = await Promise.all(families.map((family) => readFile(file(family), 'utf8')))
      this.emitFile({ type: 'asset', fileName: 'assets/fonts.txt', source: texts.join('\n\n') })
    },
  }
}
