import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App'
import { ToastProvider } from './design'
import { prepareBoard } from './pages/board/BoardPlace'
import { pageAt } from './router'
import { SessionProvider } from './session'

if (pageAt(location.pathname).name === 'board') prepareBoard()
const root = document.getElementById('root')
if (root === null) throw new Error('the page has a root')
createRoot(root).render(
  <StrictMode>
    <ToastProvider>
      <SessionProvider>
        <App />
      </SessionProvider>
    </ToastProvider>
  </StrictMode>,
)
