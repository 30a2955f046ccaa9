// Adds a note to a document of a project, waits until it is saved, and prints all that are there:
//
//   npm install yjs y-websocket ws
//   BOARD=ws://.../collab/PROJECT TOKEN=... node note.mjs 'a note'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const { BOARD, TOKEN } = process.env
const notes = new Y.Doc().getArray('notes')
const options = { params: { token: TOKEN }, WebSocketPolyfill: WebSocket }
const provider = new WebsocketProvider(BOARD, 'doc:notes', notes.doc, options)

provider.once('sync', () => {
  notes.push([process.argv[2]])
  provider.ws.send(Uint8Array.of(102, 0)) // comes back once everything before it is on disk
})
provider.messageHandlers[102] = () => {
  console.log(notes.toArray().join('\n'))
  provider.destroy()
  notes.doc.destroy()
}
