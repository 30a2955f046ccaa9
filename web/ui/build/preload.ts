// Names in the page what it will load anyway: browsers learn of a script that another one imports only when that one runs.
// The page of a board, the largest part of the client, is a file of its own, which names the board's scripts too.
import type { Plugin, Rolldown } from 'vite'

/** What every page runs after its first script, and what a board runs then. */
const everywhere = 'src/main.tsx'
const ofBoards = ['src/board/BoardPage.tsx', 'src/board/canvas/Canvas.tsx']

export function preload(): Plugin {
  let base = ''
  return {
    name: 'orrery:preload',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      base = config.base
    },
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const page = bundle['index.html']
        if (page?.type !== 'asset') this.error('the build has no page')
        const html = String(page.source)
        const naming = (modules: string[]) => {
          const files = filesOf(bundle, modules)
          const lines = files.filter((file) => !html.includes(file)).map((file) => linkTo(base + file))
          return html.replace('</head>', `${lines.join('')}</head>`)
        }
        page.source = naming([everywhere])
        this.emitFile({ type: 'asset', fileName: 'board.html', source: naming([everywhere, ...ofBoards]) })
      },
    },
  }
}

/** The scripts and style sheets that these modules come in, and those that they cannot do without. */
function filesOf(bundle: Rolldown.OutputBundle, modules: string[]): string[] {
  const files = new Set<string>()
  const add = (name: string) => {
    const chunk = bundle[name]
    if (chunk?.type !== 'chunk' || files.has(name)) return
    files.add(name)
    chunk.viteMetadata?.importedCss.forEach((sheet) => files.add(sheet))
    chunk.imports.forEach(add)
  }
  for (const module of modules) {
    const found = Object.values(bundle).find(
      (file) => file.type === 'chunk' && file.facadeModuleId?.endsWith(`/${module}`),
    )
    if (found === undefined) throw new Error(`no script is made of ${module}`)
    add(found.fileName)
  }
  return [...files]
}

function linkTo(file: string): string {
  const rel = file.endsWith('.css') ? 'stylesheet' : 'modulepreload'
  return `  <link rel="${rel}" crossorigin href="${file}">\n  `
}
