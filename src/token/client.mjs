// A client of this Orrery: the stock y-websocket provider, as {role}, for {expires_in} seconds.
// Save it as client.mjs in an empty folder, then: npm install yjs y-websocket ws && node client.mjs
// What you type into one copy of it shows in every other.
import { createInterface } from 'node:readline'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const doc = new Y.Doc()
const notes = doc.getArray('notes')
const provider = new WebsocketProvider('{ws_url}/{project}', 'board', doc, {
  WebSocketPolyfill: WebSocket,
  params: { token: '{token}' },
})

provider.on('status', ({ status }) => console.log(`[${status}]`))
notes.observe((event) => {
  for (const { insert = [] } of event.delta) insert.forEach((note) => console.log(note))
})
createInterface({ input: process.stdin }).on('line', (line) => notes.push([line]))
