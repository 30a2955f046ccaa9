import { useCallback, useEffect, useMemo, useRef, useState, type UIEvent } from 'react'
import { Button, Notice, SearchField } from '../../design'
import { classes } from '../../design/classes'
import { Glyph, type GlyphName } from '../Glyph'
import type { LogLine } from '../connection/logs'
import type { ContainerView } from '../model/containers'
import { matcher } from '../model/filter'
import { rowsAround } from '../model/tail'
import styles from './Logs.module.css'
import { useLogLines } from './useLogLines'

const LINE_PX = 20
/** Lines drawn above and below what is seen. */
const MARGIN = 20
/** Wrapped lines have no common height: so many of the last are drawn as they are. */
const WRAPPED = 1_000

/** The log of a container, followed. Only what is seen is drawn. */
export function Logs({ container }: { container: ContainerView }) {
  const [query, setQuery] = useState('')
  const [paused, setPaused] = useState(false)
  const [wrap, setWrap] = useState(false)
  const log = useLogLines(container.id, paused)
  const lines = useMemo(() => {
    const matches = matcher(query)
    return query.trim() === '' ? log.lines : log.lines.filter((line) => matches(line.text))
  }, [log.lines, query])
  return (
    <div className={styles.logs}>
      <div className={styles.bar}>
        <SearchField small label="Filter the log" placeholder="Filter" value={query} onChange={setQuery} />
        <Toggle label={paused ? 'Go on' : 'Pause'} pressed={paused} onClick={() => setPaused(!paused)} glyph="pause" />
        <Toggle label="Wrap lines" pressed={wrap} onClick={() => setWrap(!wrap)} glyph="wrap" />
        <Toggle label="Download" onClick={() => download(container.name, lines)} glyph="download" />
      </div>
      {log.error !== null && <Notice error={log.error} />}
      <Lines lines={lines} wrap={wrap} empty={emptyText(log.connected, query)} />
      <p className={styles.foot} role="status">
        {lines.length === log.lines.length ? `${lines.length} lines` : `${lines.length} of ${log.lines.length} lines`}
        {paused ? ', paused' : log.connected ? ', following' : log.error === null ? ', connecting…' : ''}
      </p>
    </div>
  )
}

function emptyText(connected: boolean, query: string): string {
  if (query.trim() !== '') return 'No line has that.'
  return connected ? 'It has written nothing yet.' : ''
}

function Lines({ lines, wrap, empty }: { lines: readonly LogLine[]; wrap: boolean; empty: string }) {
  const place = useRef<HTMLDivElement>(null)
  const [range, setRange] = useState({ top: 0, height: 600 })
  const [atEnd, setAtEnd] = useState(true)
  const scrolled = useCallback((event: UIEvent<HTMLDivElement>) => {
    const { scrollTop, clientHeight, scrollHeight } = event.currentTarget
    setRange({ top: scrollTop, height: clientHeight })
    setAtEnd(scrollHeight - scrollTop - clientHeight < LINE_PX * 2)
  }, [])
  const toEnd = () => place.current?.scrollTo({ top: place.current.scrollHeight })
  useEffect(() => {
    if (atEnd) place.current?.scrollTo({ top: place.current.scrollHeight })
  }, [lines, atEnd, wrap])
  const { first, count } = wrap
    ? { first: Math.max(0, lines.length - WRAPPED), count: WRAPPED }
    : rowsAround(range.top, range.height, LINE_PX, MARGIN)
  const shown = lines.slice(first, first + count)
  return (
    <div className={styles.around}>
      <div
        ref={place}
        className={styles.place}
        tabIndex={0}
        role="log"
        aria-label="Log"
        aria-live="off"
        onScroll={scrolled}
      >
        {lines.length === 0 && <p className={styles.empty}>{empty}</p>}
        <div
          className={wrap ? styles.wrapped : styles.sheet}
          style={wrap ? undefined : { height: lines.length * LINE_PX }}
        >
          {shown.map((line, at) => (
            <div
              key={line.number}
              className={classes(styles.line, line.stream === 'stderr' && styles.error)}
              data-line={line.number}
              style={wrap ? undefined : { top: (first + at) * LINE_PX }}
            >
              {line.text}
            </div>
          ))}
        </div>
      </div>
      {!atEnd && (
        <Button small className={styles.end ?? ''} onClick={toEnd}>
          To the end
        </Button>
      )}
    </div>
  )
}

interface ToggleProps {
  label: string
  glyph: GlyphName
  pressed?: boolean
  onClick: () => void
}

function Toggle({ label, glyph, pressed, onClick }: ToggleProps) {
  return (
    <Button variant="quiet" small aria-label={label} title={label} aria-pressed={pressed} onClick={onClick}>
      <Glyph name={glyph} size={17} />
    </Button>
  )
}

function download(name: string, lines: readonly LogLine[]): void {
  const url = URL.createObjectURL(
    new Blob([lines.map((line) => line.text + '\n').join('')], {
      type: 'text/plain',
    }),
  )
  Object.assign(document.createElement('a'), {
    href: url,
    download: `${name}.log`,
  }).click()
  URL.revokeObjectURL(url)
}
