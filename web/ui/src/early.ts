// The first script of every page, and a small one: what the page needs is on its way before the page itself is there.
import './design/fonts.css'
import './design/tokens.css'
import './design/base.css'

import { account, askEarly, projects } from './api'
import { pageAt } from './router/paths'

const page = pageAt(location.pathname)
askEarly(() => {
  const who = account.me()
  if (page.name !== 'board') return [who]
  const { project } = page
  return [who, projects.start(project), account.token(), projects.members(project), projects.show(project)]
})
void import('./main')
