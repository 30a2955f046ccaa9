import { LinkButton, Page } from '../design'
import { paths } from '../router'

export default function UnknownPage() {
  return (
    <Page title="There is nothing here" lead="The address may be mistyped.">
      <LinkButton to={paths.home()}>Your organizations</LinkButton>
    </Page>
  )
}
