import { useState, type FormEvent } from 'react'
import { Button, Dialog, DialogActions, Field, SelectField } from '../../design'
import forms from '../../pages/forms.module.css'
import { useCell } from '../cell'
import { useAround } from '../context'
import { nameOf } from '../model/names'

interface ConnectDialogProps {
  /** Null if that is still to be chosen. */
  from: string | null
  onClose: () => void
}

/** Connects something on the board with something else: what a hand does by dragging, for those who use the keyboard. */
export function ConnectDialog({ from: given, onClose }: ConnectDialogProps) {
  const { open, workspace } = useAround()
  const nodes = useCell(open.board.nodes.views)
  const edges = [...useCell(open.board.edges.views).values()]
  const containers = useCell(workspace.containers)
  const [to, setTo] = useState('')
  const [label, setLabel] = useState('')
  const [chosen, choose] = useState('')
  const all = [...nodes.values()]
    .map((node) => ({ id: node.id, name: nameOf(node, containers) }))
    .sort((a, b) => a.name.localeCompare(b.name))
  const wanted = given ?? chosen
  const source = all.find(({ id }) => id === wanted) ?? (given === null ? all[0] : undefined)
  const connected = new Set(edges.flatMap((edge) => (edge.source === source?.id ? edge.target : [])))
  const targets = all.filter(({ id }) => id !== source?.id && !connected.has(id))
  const target = targets.find(({ id }) => id === to) ?? targets[0]
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (source === undefined || target === undefined) return
    open.board.connect(source.id, target.id, label.trim())
    onClose()
  }
  return (
    <Dialog title="Connect" onClose={onClose}>
      <form className={forms.form} onSubmit={submit}>
        {source === undefined ? (
          <p>It is not on the board any more.</p>
        ) : given === null ? (
          <SelectField label="From" value={source.id} onChange={(event) => choose(event.target.value)}>
            <Options nodes={all} />
          </SelectField>
        ) : (
          <p>From “{source.name}”</p>
        )}
        {source !== undefined && target === undefined && (
          <p>There is nothing else on the board that it is not connected with.</p>
        )}
        {source !== undefined && target !== undefined && (
          <>
            <SelectField label="To" value={target.id} onChange={(event) => setTo(event.target.value)}>
              <Options nodes={targets} />
            </SelectField>
            <Field
              label="Label"
              hint="What the connection says. It may stay empty."
              maxLength={120}
              autoComplete="off"
              value={label}
              onChange={(event) => setLabel(event.target.value)}
            />
          </>
        )}
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" disabled={source === undefined || target === undefined}>
            Connect
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

function Options({ nodes }: { nodes: readonly { id: string; name: string }[] }) {
  return nodes.map(({ id, name }) => (
    <option key={id} value={id}>
      {name}
    </option>
  ))
}
