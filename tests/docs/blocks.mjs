// The fenced blocks of a document, each with the mark in the line before it, which readers do not see:
//
//   <!-- run -->             commands, run in reading order by one shell in an empty folder
//   <!-- run: repository --> commands, run from the root of this repository
//   <!-- output -->          what the commands before it print; an ellipsis stands for anything
//   <!-- file: NAME -->      written to NAME; where the repository has a file NAME, the two are equal
//   <!-- config -->          a configuration file or a part of one, which `orrery check` must understand
//   <!-- skip: REASON -->    neither
//
// What only the test needs (somebody who signs up, a server that is stopped) stands in a comment of its own:
//
//   <!-- unseen
//   commands
//   -->
const MARK = /^<!-- (run|output|file|config|skip)(?:: (.+?))? -->$/

/** Blocks as `{ kind, detail, text, line }`, in reading order. One without a mark has the kind `unmarked`. */
export function blocksOf(markdown) {
  const lines = markdown.split('\n')
  const blocks = []
  for (let at = 0; at < lines.length; at++) {
    const begins = lines[at].trim()
    const end = begins.startsWith('```') ? '```' : begins === '<!-- unseen' ? '-->' : undefined
    if (!end) continue
    const from = at
    while (lines[++at].trim() !== end);
    const indent = lines[from].length - lines[from].trimStart().length
    const inner = lines.slice(from + 1, at).map((line) => line.slice(indent) + '\n')
    const mark = (lines[from - 1] ?? '').trim().match(MARK)
    const [kind, detail] = end === '-->' ? ['run'] : (mark?.slice(1) ?? ['unmarked'])
    blocks.push({ kind, detail, text: inner.join(''), line: from + 1 })
  }
  return blocks
}

/** Whether commands printed what a document says: as it is, but for trailing blanks, and ellipses. */
export function agrees(printed, expected) {
  const plain = (text) => text.replace(/[ \t]+$/gm, '').trim()
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${plain(expected).split('…').map(literal).join('[^]*?')}$`).test(plain(printed))
}
