import { Component, type ReactNode } from 'react'
import { Button, Page } from '../design'

/** Stands in for a page that broke, or whose script did not come: without it, nothing at all would be shown. */
export class Mishap extends Component<{ children: ReactNode }, { happened: boolean }> {
  static getDerivedStateFromError() {
    return { happened: true }
  }

  override state = { happened: false }

  override render() {
    if (!this.state.happened) return this.props.children
    return (
      <Page
        title="This page does not open"
        lead="A part of it did not come, or went wrong. It may be out of reach, or there is a newer Orrery since this page was loaded."
      >
        <Button variant="primary" onClick={() => location.reload()}>
          Load it again
        </Button>
      </Page>
    )
  }
}
