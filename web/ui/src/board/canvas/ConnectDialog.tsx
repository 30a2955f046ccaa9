import { useState, type FormEvent } from 'react'
import { Button, Dialog, DialogActions, Field, SelectField } from '../../design'
import forms from '../../pages/forms.module.css'
import { useCell } from '../cell'
import { useAround } from '../context'
import { nameOf } from '../model/names'

/** Connects something on the board with something else: what a hand does by dragging, for those who use the keyboard. */
export function ConnectDialog({ from, onClose }: { from: string; onClose: () => void }) {
  const { open, workspace } = useAround()
  const nodes = useCell(open.board.nodes.views)
  const edges = [...useCell(open.board.edges.views).values()]
  const containers = useCell(workspace.containers)
  const [to, setTo] = useState('')
  const [label, setLabel] = useState('')
  const source = nodes.get(from)
  const connected = new Set(edges.flatMap((edge) => (edge.source === from ? edge.target : [])))
  const targets = [...nodes.values()]
    .filter(({ id }) => id !== from && !connected.has(id))
    .map((node) => ({ id: node.id, name: nameOf(node, containers) }))
    .sort((a, b) => a.name.localeCompare(b.name))
  const target = targets.find(({ id }) => id === to) ?? targets[0]
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (target === undefined) return
    open.board.connect(from, target.id, label.trim())
    onClose()
  }
  return (
    <Dialog title="Connect" onClose={onClose}>
      <form className={forms.form} onSubmit={submit}>
        {source !== undefined && <p>From “{nameOf(source, containers)}”</p>}
        {target === undefined ? (
          <p>There is nothing else on the board that it is not connected with.</p>
        ) : (
          <>
            <SelectField label="To" value={target.id} onChange={(event) => setTo(event.target.value)}>
              {targets.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
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
          <Button type="submit" variant="primary" disabled={target === undefined}>
            Connect
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
