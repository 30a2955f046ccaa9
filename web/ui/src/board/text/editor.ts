import { baseKeymap, chainCommands, exitCode, setBlockType, toggleMark, wrapIn } from 'prosemirror-commands'
import { inputRules, textblockTypeInputRule, wrappingInputRule } from 'prosemirror-inputrules'
import { keymap } from 'prosemirror-keymap'
import { liftListItem, sinkListItem, splitListItem, wrapInList } from 'prosemirror-schema-list'
import { EditorState, Plugin, Selection, TextSelection, type Command } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import type { Awareness } from 'y-protocols/awareness'
import { redo, undo, yCursorPlugin, ySyncPlugin, yUndoPlugin } from 'y-prosemirror'
import type * as Y from 'yjs'
import { historyOf } from './history'
import { schema } from './schema'
import { takes } from './takes'

const { nodes, marks } = schema
type NodeName = 'paragraph' | 'heading' | 'bullet_list' | 'ordered_list' | 'list_item' | 'blockquote' | 'code_block'
type MarkName = 'strong' | 'em' | 'code'
const node = (name: NodeName) => nodes[name]!
const mark = (name: MarkName) => marks[name]!

const rules = inputRules({
  rules: [
    textblockTypeInputRule(/^(#{1,3})\s$/, node('heading'), (match) => ({
      level: match[1]?.length ?? 1,
    })),
    textblockTypeInputRule(/^```$/, node('code_block')),
    wrappingInputRule(/^\s*([-+*])\s$/, node('bullet_list')),
    wrappingInputRule(/^(\d+)\.\s$/, node('ordered_list'), (match) => ({
      order: Number(match[1]),
    })),
    wrappingInputRule(/^\s*>\s$/, node('blockquote')),
  ],
})

const lineBreak: Command = (state, dispatch) => {
  dispatch?.(state.tr.replaceSelectionWith(schema.node('hard_break')).scrollIntoView())
  return true
}

/** What the buttons above a text do. */
export const formats = {
  bold: toggleMark(mark('strong')),
  italic: toggleMark(mark('em')),
  code: toggleMark(mark('code')),
  heading: toggleHeading,
  bullets: wrapInList(node('bullet_list')),
  numbers: wrapInList(node('ordered_list')),
} satisfies Record<string, Command>
export type Format = keyof typeof formats

function toggleHeading(...args: Parameters<Command>): boolean {
  const isHeading = args[0].selection.$from.parent.type === node('heading')
  return setBlockType(node(isHeading ? 'paragraph' : 'heading'), isHeading ? null : { level: 2 })(...args)
}

const keys = keymap({
  'Mod-z': undo,
  'Mod-y': redo,
  'Shift-Mod-z': redo,
  'Mod-b': formats.bold,
  'Mod-i': formats.italic,
  'Mod-`': formats.code,
  'Shift-Ctrl-8': formats.bullets,
  'Shift-Ctrl-9': formats.numbers,
  'Ctrl->': wrapIn(node('blockquote')),
  'Mod-Enter': chainCommands(exitCode, lineBreak),
  'Shift-Enter': chainCommands(exitCode, lineBreak),
  Enter: splitListItem(node('list_item')),
  'Mod-[': liftListItem(node('list_item')),
  'Mod-]': sinkListItem(node('list_item')),
  // Only in a list: elsewhere Tab goes on to the next control.
  Tab: sinkListItem(node('list_item')),
  'Shift-Tab': liftListItem(node('list_item')),
})

/** What somebody else's place in the text looks like. */
function caret(user: { name?: string; color?: string }): HTMLElement {
  const element = document.createElement('span')
  element.className = 'remote-caret'
  element.style.setProperty('--person', user.color ?? '#626a7e')
  const name = document.createElement('span')
  name.className = 'remote-name'
  name.textContent = user.name ?? ''
  element.append('\u2060', name, '\u2060')
  return element
}

export interface TextOptions {
  place: HTMLElement
  text: Y.XmlFragment
  awareness: Awareness
  label: string
  editable: () => boolean
  onFocus: (focused: boolean) => void
  /** The editor has ended, because others wrote what it does not know; and whether it had the focus. */
  onForeign: (focused: boolean) => void
}

/** An editor of a shared text, which it takes, in a place of the page. */
export function openEditor(options: TextOptions): EditorView {
  const { text, awareness, editable } = options
  const stepAside = (_events: unknown, { local }: Y.Transaction) => {
    if (local || takes(text)) return
    const focused = view.hasFocus()
    view.destroy()
    options.onForeign(focused)
  }
  // Before the plugin that follows the text, which deletes what it does not know.
  text.observeDeep(stepAside)
  const events = new Plugin({
    view: () => ({ destroy: () => text.unobserveDeep(stepAside) }),
    props: {
      handleDOMEvents: {
        focus: () => void options.onFocus(true),
        blur: () => void options.onFocus(false),
      },
      handleClickOn: (_view, _position, _node, _at, event) => {
        // Others cannot be clicked on while one writes; with the key it is meant.
        const link = (event.target as Element).closest('a')
        if (link === null || !(event.ctrlKey || event.metaKey || !editable())) return false
        window.open(link.href, '_blank', 'noopener')
        return true
      },
    },
  })
  const selection = (user: { color?: string }) => ({
    class: 'remote-selection',
    style: `--person: ${user.color ?? '#626a7e'}`,
  })
  const state = EditorState.create({
    schema,
    plugins: [
      ySyncPlugin(text),
      yCursorPlugin(awareness, {
        cursorBuilder: caret,
        selectionBuilder: selection,
      }),
      yUndoPlugin({ undoManager: historyOf(text, new Set(Object.keys(nodes))) }),
      rules,
      keys,
      keymap(baseKeymap),
      events,
    ],
  })
  const attributes = () => ({
    'aria-label': options.label,
    'aria-multiline': 'true',
    ...(!editable() && { 'aria-readonly': 'true' }),
    role: 'textbox',
    class: 'note-text',
  })
  const view = new EditorView(options.place, {
    state,
    editable,
    attributes,
    dispatchTransaction(this: EditorView, transaction) {
      // Carets of others come a turn later, when the note may have left the screen.
      if (!this.isDestroyed) this.updateState(this.state.apply(transaction))
    },
  })
  return view
}

/** Where somebody entered a text: a place on the screen and how far the text was scrolled, or by key. */
export type Entry = { left: number; top: number; scrolled: number } | 'key'

/** Puts the caret where somebody entered. What the hand moves over before it lets go is selected. */
export function enter(view: EditorView, entry: Entry): void {
  const place = view.dom.parentElement
  view.focus()
  if (place !== null) place.scrollTop = entry === 'key' ? place.scrollHeight : entry.scrolled
  const anchor = entry === 'key' ? undefined : view.posAtCoords(entry)?.pos
  if (anchor === undefined) return view.dispatch(view.state.tr.setSelection(Selection.atEnd(view.state.doc)))
  const select = (head: number) => {
    const [from, to] = [anchor, head].map((at) => view.state.doc.resolve(Math.min(at, view.state.doc.content.size)))
    if (from && to) view.dispatch(view.state.tr.setSelection(TextSelection.between(from, to)))
  }
  select(anchor)
  const hand = new AbortController()
  const { signal } = hand
  const move = ({ clientX, clientY, buttons }: MouseEvent) => {
    const head = view.isDestroyed || buttons === 0 ? undefined : view.posAtCoords({ left: clientX, top: clientY })?.pos
    if (head !== undefined && head !== anchor) select(head)
  }
  document.addEventListener('mousemove', move, { signal })
  document.addEventListener('mouseup', () => hand.abort(), { signal })
}
