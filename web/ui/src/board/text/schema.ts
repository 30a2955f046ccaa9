import { Schema, type Attrs, type DOMOutputSpec, type MarkSpec, type NodeSpec } from 'prosemirror-model'
import { marks as basicMarks, nodes as basicNodes } from 'prosemirror-schema-basic'
import { bulletList, listItem, orderedList } from 'prosemirror-schema-list'
import { safeAddress } from './address'

function linkOf({ href }: Attrs): DOMOutputSpec {
  const address = safeAddress(href)
  return address === null ? ['span', 0] : ['a', { href: address, rel: 'noopener noreferrer', target: '_blank' }, 0]
}

const { doc, paragraph, blockquote, heading, code_block, text, hard_break } = basicNodes
const nodes: Record<string, NodeSpec> = {
  doc,
  paragraph,
  blockquote,
  heading,
  code_block,
  text,
  hard_break,
  bullet_list: { ...bulletList, content: 'list_item+', group: 'block' },
  ordered_list: { ...orderedList, content: 'list_item+', group: 'block' },
  list_item: { ...listItem, content: 'paragraph block*' },
}
const marks: Record<string, MarkSpec> = {
  strong: basicMarks.strong,
  em: basicMarks.em,
  code: basicMarks.code,
  link: {
    ...basicMarks.link,
    attrs: { href: { default: '' } },
    toDOM: (mark) => linkOf(mark.attrs),
  },
}

/** The text of notes. Names of nodes and marks stand in the document: they never change. */
export const schema = new Schema({ nodes, marks })
