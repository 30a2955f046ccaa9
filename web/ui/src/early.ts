// The first script of every page, and a small one: what the page needs is on its way before the page itself is there.
import './design/fonts.css'
import './design/tokens.css'
import './design/base.css'

import { account, askEarly, projects } from './api'
import { restoreTheme } from './design/theme'
import { pageAt } from './router/paths'

restoreTheme()
const page = pageAt(location.pathname)
askEarly(() => {
  const who = account.me()
  if (page.name !== 'board') return [who]
  const { project } = page
  return [who, projects.start(project), account.token(), projects.members(project), projects.show(project)]
})
import('./main').catch(() => {
  const words = document.createElement('p')
  words.className = 'not-loaded'
  words.textContent = 'Orrery did not come whole. Load this page again.'
  document.getElementById('root')?.replaceChildren(words)
})
