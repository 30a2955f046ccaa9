import { phaseLabel, reasonText, type ContainerView } from './containers'
import type { PersonView } from './people'

// What is worth a word to those who do not see the board change.

type Containers = ReadonlyMap<string, ContainerView>

/** Containers that came, went, or are in another phase. */
export function containerNews(before: Containers, now: Containers): string[] {
  const news: string[] = []
  for (const [id, container] of now) {
    if (before.get(id)?.phaseText === container.phaseText) continue
    const reason = reasonText(container)
    news.push(`${container.name}: ${phaseLabel(container)}${reason === null ? '' : `, ${reason}`}`)
  }
  for (const [id, { name }] of before) if (!now.has(id)) news.push(`${name}: Deleted`)
  return news
}

/** People who came or left, however many tabs they have. */
export function peopleNews(before: readonly PersonView[], now: readonly PersonView[]): string[] {
  const names = (people: readonly PersonView[]) => new Map(people.map(({ id, name }) => [id, name]))
  const [were, are] = [names(before), names(now)]
  const came = [...are].flatMap(([id, name]) => (were.has(id) ? [] : `${name} is here`))
  const left = [...were].flatMap(([id, name]) => (are.has(id) ? [] : `${name} left`))
  return [...came, ...left]
}

/** More than this at once is a number. */
const TOLD = 3

export function inShort(news: readonly string[]): string {
  return news.length > TOLD ? `${news.length} things changed` : news.join('. ')
}
