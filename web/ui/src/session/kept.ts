// What this browser keeps of documents between visits, so that nothing written without a network is lost. Every document
// has a data base of its own, whose name says whose it is: somebody who signs out leaves nothing behind for the next one.

/** Under keys that begin so a data base says how many changes in it nobody else has: each tab under its own. */
const UNSAVED = 'unsaved'
/** Where `y-indexeddb` has odds and ends. */
const STORE = 'custom'
/** Storage that does not answer keeps nobody from signing out. */
const PATIENCE_MS = 2_000

/** The name under which a document is kept. */
export function keptName(user: string, project: string, document: string): string {
  return `${prefix(user, project)}${document}`
}

function prefix(user: string, project?: string): string {
  return project === undefined ? `orrery/${user}/` : `orrery/${user}/${project}/`
}

/** The key of a tab that writes as this client. */
export function unsavedKey(client: number): string {
  return `${UNSAVED}/${client}`
}

/** How many changes nobody else has, by the keys of the tabs that made them. */
export type Unsaved = ReadonlyMap<string, number>

/** What is unsaved of a document, as its tabs say, also those that were closed. */
export async function readUnsaved(database: IDBDatabase): Promise<Unsaved> {
  if (!database.objectStoreNames.contains(STORE)) return new Map()
  const store = database.transaction(STORE).objectStore(STORE)
  const range = IDBKeyRange.bound(UNSAVED, `${UNSAVED}/\uffff`)
  const [keys, counts] = await Promise.all([answer(store.getAllKeys(range)), answer(store.getAll(range))])
  return new Map(keys.flatMap((key, at) => (typeof key === 'string' ? [[key, Number(counts[at]) || 0]] : [])))
}

/** Forgets what is saved by now. Of a tab that wrote more since then, nothing. */
export async function forgetUnsaved(database: IDBDatabase, saved: Unsaved): Promise<void> {
  const store = database.transaction(STORE, 'readwrite').objectStore(STORE)
  const forget = async ([key, count]: [string, number]) => {
    if ((await answer(store.get(key))) === count) store.delete(key)
  }
  await Promise.all([...saved].map(forget))
}

export function sum(unsaved: Unsaved): number {
  return [...unsaved.values()].reduce((all, count) => all + count, 0)
}

/** Forgets the documents of somebody, all or those of one project. They must not be open any more. */
export async function forgetKept(user: string, project?: string): Promise<void> {
  const names = await namesOf(prefix(user, project))
  await Promise.allSettled(names.map((name) => answer(indexedDB.deleteDatabase(name))))
}

/** How many changes of somebody are here and nowhere else, as far as the browser says so in time. */
export async function unsavedKept(user: string): Promise<number> {
  let unsaved = 0
  const count = async (name: string) => {
    unsaved += await unsavedIn(name)
  }
  const all = namesOf(prefix(user)).then((names) => Promise.allSettled(names.map(count)))
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))])
  return unsaved
}

/** The documents of a project with changes that are here and nowhere else. */
export async function unsavedDocuments(user: string, project: string): Promise<string[]> {
  const start = prefix(user, project)
  const names = await namesOf(start)
  const counts = await Promise.allSettled(names.map(unsavedIn))
  const isUnsaved = (at: number) => counts[at]?.status === 'fulfilled' && counts[at].value > 0
  return names.filter((_, at) => isUnsaved(at)).map((name) => name.slice(start.length))
}

async function namesOf(prefix: string): Promise<string[]> {
  try {
    const all = await indexedDB.databases()
    return all.flatMap(({ name }) => (name?.startsWith(prefix) ? name : []))
  } catch {
    // A browser that keeps nothing has nothing to forget.
    return []
  }
}

async function unsavedIn(name: string): Promise<number> {
  const request = indexedDB.open(name)
  // It is gone since it was listed. An empty one in its place would be taken for one that has its stores.
  request.onupgradeneeded = () => request.transaction?.abort()
  const database = await answer(request)
  try {
    return sum(await readUnsaved(database))
  } finally {
    database.close()
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('the storage of the browser failed'))
  })
}
