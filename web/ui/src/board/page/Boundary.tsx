import { Component, type ReactNode } from 'react'
import { Button, Page } from '../../design'

interface BoundaryProps {
  title: string
  /** Makes everything in it anew. */
  onAgain: () => void
  children: ReactNode
}

/** Keeps a defect in the board from taking the whole page away, and says what can be done. */
export class Boundary extends Component<BoundaryProps, { broken: boolean }> {
  override state = { broken: false }

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true }
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children
    return (
      <Page title={this.props.title} lead="The board could not be shown. Opening it again may help.">
        <div>
          <Button variant="primary" onClick={this.props.onAgain}>
            Open it again
          </Button>
        </div>
      </Page>
    )
  }
}
