import { useEffect, useState } from 'react'
import { useAround } from '../context'
import { containerNews, inShort, peopleNews } from '../model/news'

/** Says to readers of the screen what changes on the board without them. */
export function Announcements() {
  const { workspace, open } = useAround()
  const [text, setText] = useState('')
  useEffect(() => {
    const { containers, known } = workspace
    let [before, wereKnown] = [containers.get(), known.get()]
    return containers.subscribe(() => {
      const now = containers.get()
      // Those that are there when the board opens are no news.
      if (wereKnown) tell(setText, containerNews(before, now))
      before = now
      wereKnown = known.get()
    })
  }, [workspace])
  useEffect(() => {
    const { others } = open.people
    let before = others.get()
    return others.subscribe(() => {
      const now = others.get()
      tell(setText, peopleNews(before, now))
      before = now
    })
  }, [open])
  return (
    <div role="status" className="visually-hidden">
      {text}
    </div>
  )
}

function tell(say: (text: string) => void, news: readonly string[]): void {
  if (news.length > 0) say(inShort(news))
}
