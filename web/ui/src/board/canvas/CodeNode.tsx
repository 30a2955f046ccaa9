import type { Node, NodeProps } from '@xyflow/react'
import { memo } from 'react'
import { Avatar, Button } from '../../design'
import { useCell } from '../cell'
import { languageLabel } from '../code/languages'
import { useAround } from '../context'
import { Glyph } from '../Glyph'
import type { CodeView, OtherView } from '../model/nodes'
import { distinct } from '../model/people'
import styles from './CodeNode.module.css'
import { NodeFrame } from './NodeFrame'

export const CodeNode = memo(function CodeNode({ data, selected }: NodeProps<Node<{ view: CodeView }>>) {
  return (
    <NodeFrame node={data.view} selected={selected}>
      <CodeCard node={data.view} />
    </NodeFrame>
  )
})

/** A code document, on the canvas or in a list: its text opens beside the board. */
export function CodeCard({ node }: { node: CodeView }) {
  const { open, openCode } = useAround()
  const people = useCell(open.people.others)
  const inside = distinct(people.filter((person) => node.document !== null && person.open === node.document))
  const title = node.title === '' ? 'Untitled' : node.title
  return (
    <div className={styles.code}>
      <div className={styles.head}>
        <span className={styles.sign}>
          <Glyph name="code" size={18} />
        </span>
        <div className={styles.words}>
          <strong className={styles.title} title={title}>
            {title}
          </strong>
          <span className={styles.language}>{languageLabel(node.language)}</span>
        </div>
        <span className={styles.people}>
          {inside.slice(0, 3).map((person) => (
            <Avatar key={person.id} name={person.name} seed={person.id} size={22} alone />
          ))}
        </span>
      </div>
      <Button
        small
        className="nodrag"
        disabled={node.document === null}
        aria-label={`Open ${title}`}
        onClick={() => openCode(node)}
      >
        Open
      </Button>
    </div>
  )
}

export const OtherNode = memo(function OtherNode({ data, selected }: NodeProps<Node<{ view: OtherView }>>) {
  return (
    <NodeFrame node={data.view} selected={selected}>
      <p className={styles.other}>{data.view.title === '' ? 'Something' : data.view.title} of a later version</p>
    </NodeFrame>
  )
})
