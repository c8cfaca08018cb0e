import type { AppFacts, FlowFacts } from './flow-facts.ts'
import type { Who } from './rule.ts'
import type { Wildcard } from './wildcard.ts'

interface Entry<T> {
  readonly at: number
  readonly who: Who
  readonly result: T
}

/** Whose sections are whose, by the path of the executable where they name one. */
export class WhoFinder<T> {
  readonly #byPath = new Map<string, Entry<T>[]>()
  /** Those that are not for single paths. In order. */
  readonly #others: Entry<T>[] = []
  readonly #userIds: ReadonlyMap<string, number>

  /** @param userIds ids of the users of this computer by name */
  constructor(sections: readonly { readonly who: Who; readonly result: T }[], userIds: ReadonlyMap<string, number>) {
    this.#userIds = userIds
    for (const [at, { who, result }] of sections.entries()) {
      const entry = { at, who, result }
      if (who.app?.every(({ isExact }) => isExact) !== true) this.#others.push(entry)
      else {
        for (const { text } of who.app) {
          const known = this.#byPath.get(text)
          if (known === undefined) this.#byPath.set(text, [entry])
          else known.push(entry)
        }
      }
    }
  }

  /** The result of the first that fits. */
  find(facts: FlowFacts): T | undefined {
    const path = facts.app?.path
    const exact = path === undefined ? undefined : this.#byPath.get(path)?.find(({ who }) => this.#fits(who, facts))
    for (const entry of this.#others) {
      if (exact !== undefined && entry.at > exact.at) break
      if (this.#fits(entry.who, facts)) return entry.result
    }
    return exact?.result
  }

  #fits(who: Who, facts: FlowFacts): boolean {
    if (who.interface !== undefined)
      return facts.direction === 'forwarded' && anyMatches(who.interface, facts.interface)
    const { app } = facts
    return (
      app !== undefined &&
      (who.app === undefined || anyMatches(who.app, app.path)) &&
      (who.script === undefined || anyMatches(who.script, app.script)) &&
      (who.unit === undefined || anyMatches(who.unit, app.unit)) &&
      (who.container === undefined || isContainer(who.container, app.container)) &&
      (who.tag === undefined || anyMatches(who.tag, app.tag)) &&
      (who.user === undefined || this.#isUser(who.user, app))
    )
  }

  #isUser(users: readonly (number | string)[], { uid, user }: AppFacts): boolean {
    return users.some((one) =>
      typeof one === 'number' ? one === uid : one === user || (uid !== undefined && this.#userIds.get(one) === uid),
    )
  }
}

/** Rules name a container by its id, with or without its kind. */
function isContainer(wildcards: readonly Wildcard[], container: string | undefined): boolean {
  return anyMatches(wildcards, container) || anyMatches(wildcards, container?.slice(container.indexOf(':') + 1))
}

function anyMatches(wildcards: readonly Wildcard[], text: string | undefined): boolean {
  if (text === undefined) return false
  for (const wildcard of wildcards) if (wildcard.matches(text)) return true
  return false
}
