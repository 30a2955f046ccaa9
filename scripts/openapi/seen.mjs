// Whether each operation was answered well at least once: the arguments are the server and a file with those that were.
import { readFileSync } from 'node:fs'

const [url, file] = process.argv.slice(2)
const tests = 'tests/ and web/tests/ ask it'

// Nobody here can have a good answer to these, and why.
const exceptions = {
  'GET /collab/{project}/{document}': `answers a WebSocket's upgrade alone; ${tests}`,
  'GET /collab/{project}/user-container/{id}/logs': `there is no container engine; ${tests}`,
  'POST /collab/start': `only a gateway process answers; ${tests}`,
  'POST /collab/stop': `only a gateway process answers; ${tests}`,
  'POST /collab/refresh': `only a gateway process answers; ${tests}`,
  'GET /openapi.json': 'read to make all the others',
  'GET /metrics': 'its text has no schema to be held against',
}

const { paths } = await (await fetch(`${url}/openapi.json`)).json()
const described = Object.entries(paths).flatMap(([path, item]) =>
  Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
)
const seen = new Set(readFileSync(file, 'utf8').split('\n'))
const never = described.filter((operation) => !seen.has(operation) && !(operation in exceptions))
const idle = Object.keys(exceptions).filter((operation) => seen.has(operation) || !described.includes(operation))
for (const operation of never) console.error(`openapi: never answered well: ${operation}`)
for (const operation of idle) console.error(`openapi: no exception any more: ${operation}`)
const good = described.filter((operation) => seen.has(operation)).length
const excepted = Object.keys(exceptions).length
console.log(`openapi: ${good} of ${described.length} operations answered well, ${excepted} excepted`)
process.exitCode = never.length + idle.length === 0 ? 0 : 1
