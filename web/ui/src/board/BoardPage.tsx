import type { Org, Project, User } from '../api'
import { Page } from '../design'

export interface BoardPageProps {
  project: Project
  org: Org
  me: User
}

export default function BoardPage({ project }: BoardPageProps) {
  return <Page title={project.name}>The board opens here.</Page>
}
