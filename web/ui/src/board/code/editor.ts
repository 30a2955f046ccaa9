import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, indentWithTab } from '@codemirror/commands'
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
} from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { drawable } from '../model/drawable'

const theme = EditorView.theme({
  '&': {
    height: '100%',
    backgroundColor: 'var(--card)',
    color: 'var(--ink)',
    fontSize: '0.84375rem',
  },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.6' },
  '.cm-content': { padding: '0.75rem 0', caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
  '.cm-gutters': {
    backgroundColor: 'var(--card)',
    color: 'var(--ink-faint)',
    border: 'none',
    paddingLeft: '0.4rem',
  },
  '.cm-activeLine, .cm-activeLineGutter': {
    backgroundColor: 'color-mix(in srgb, var(--ink) 4%, transparent)',
  },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--brass) 35%, transparent)',
  },
  '.cm-panels': { backgroundColor: 'var(--sunken)', color: 'var(--ink)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--card)',
    border: '1px solid var(--line)',
    color: 'var(--ink)',
  },
  '.cm-ySelectionInfo': {
    opacity: '1',
    fontFamily: 'var(--sans)',
    fontWeight: '600',
    borderRadius: '3px',
  },
  '.cm-line:first-child .cm-ySelectionInfo': { top: '1.4em' },
})

const colours = HighlightStyle.define([
  {
    tag: [tags.keyword, tags.operatorKeyword, tags.modifier],
    color: 'var(--info)',
  },
  {
    tag: [tags.string, tags.special(tags.string), tags.regexp],
    color: 'var(--good)',
  },
  {
    tag: [tags.number, tags.bool, tags.null, tags.atom],
    color: 'var(--accent)',
  },
  {
    tag: [tags.comment, tags.meta],
    color: 'var(--ink-faint)',
    fontStyle: 'italic',
  },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName)],
    color: 'var(--warn)',
  },
  { tag: [tags.typeName, tags.className, tags.tagName], color: 'var(--bad)' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.link, textDecoration: 'underline' },
])

export interface CodeEditor {
  /** What readers of the screen call it. */
  setLabel(label: string): void
  setEditable(editable: boolean): void
  setLanguage(language: Extension): void
  focus(): void
  destroy(): void
}

/** An editor of the shared text of a code document in a place of the page. */
export function openCodeEditor(place: HTMLElement, doc: Y.Doc, awareness: Awareness): CodeEditor {
  const text = doc.getText('content')
  const undoManager = new Y.UndoManager(text)
  const [label, editable, language] = [new Compartment(), new Compartment(), new Compartment()]
  const mayEdit = (may: boolean) => [
    EditorState.readOnly.of(!may),
    EditorView.editable.of(may),
    // Those who only read go through it by key too.
    may ? [] : EditorView.contentAttributes.of({ tabindex: '0', 'aria-readonly': 'true' }),
  ]
  const view = new EditorView({
    parent: place,
    state: EditorState.create({
      doc: text.toJSON(),
      extensions: [
        lineNumbers(),
        foldGutter(),
        highlightActiveLineGutter(),
        highlightSpecialChars(),
        drawSelection(),
        rectangularSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        syntaxHighlighting(colours),
        EditorView.lineWrapping,
        // Escape, then Tab, leaves the editor: stated below it.
        keymap.of([
          ...yUndoManagerKeymap,
          ...closeBracketsKeymap,
          ...searchKeymap,
          ...foldKeymap,
          ...completionKeymap,
          indentWithTab,
          ...defaultKeymap,
        ]),
        theme,
        label.of([]),
        editable.of(mayEdit(false)),
        language.of([]),
        yCollab(text, drawable(awareness, doc), { undoManager }),
      ],
    }),
  })
  return {
    setLabel: (text) =>
      view.dispatch({ effects: label.reconfigure(EditorView.contentAttributes.of({ 'aria-label': text })) }),
    setEditable: (may) => view.dispatch({ effects: editable.reconfigure(mayEdit(may)) }),
    setLanguage: (extension) => view.dispatch({ effects: language.reconfigure(extension) }),
    focus: () => view.focus(),
    destroy: () => {
      view.destroy()
      undoManager.destroy()
    },
  }
}
