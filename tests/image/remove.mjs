// What tests leave on the container engine of this machine.
import { execFileSync, spawnSync } from 'node:child_process'

const PATIENCE_MS = 60_000
/** What has not been seen for so many looks does not come any more. */
const QUIET_LOOKS = 3
/** In the order in which it can be removed. */
const KINDS = [
  [
    ['ps', '--all', '--quiet'],
    ['rm', '--force', '--volumes'],
  ],
  [
    ['network', 'ls', '--quiet'],
    ['network', 'rm'],
  ],
]

/** Removes everything of an organization. Whoever makes it has ended, or it would be made anew. */
export function removeAll(org) {
  const deadline = Date.now() + PATIENCE_MS
  for (let quiet = 0; quiet < QUIET_LOOKS;) {
    const found = KINDS.flatMap(([list, remove]) => {
      const text = execFileSync('docker', [...list, '--filter', `label=orrery.org=${org}`], { encoding: 'utf8' })
      return text.split('\n').flatMap((id) => (id ? [[...remove, id]] : []))
    })
    // What is on its way out already cannot be removed twice; the next look sees whether it has gone.
    for (const remove of found) spawnSync('docker', remove)
    quiet = found.length === 0 ? quiet + 1 : 0
    if (Date.now() > deadline) throw new Error(`cannot be removed: ${JSON.stringify(found)}`)
  }
}
