import type { Locator } from '../../shared/geo/locator.ts'
import type { Location } from '../../shared/geo/place.ts'
import type { DestinationList } from './destination-list.ts'
import type { FlowFacts } from './flow-facts.ts'
import { type Decision, type Default, type Rule, type RuleBook, type RuleList, rulesOf, type Section } from './rule.ts'
import { type LocatedFlow, RuleFinder } from './rule-finder.ts'
import type { Where } from './where.ts'
import { WhoFinder } from './who-finder.ts'

/** Whose rules decided: those of the app, those for unknown programs, or those for all. */
export type Layer = 'app' | 'strict' | 'global'

/** What becomes of a flow, and why. Made once for each rule, so that judging makes nothing new. */
export interface Judgement extends Decision {
  readonly layer: Layer
  /** The deciding rule or default: its text, and `rules.yaml:12`. */
  readonly rule: { readonly text: string; readonly place: string }
  /** A sentence for people. */
  readonly why: string
}

export interface RuleSetParts {
  readonly lists: ReadonlyMap<string, DestinationList>
  readonly locator: Locator
  /** Ids of the users of this computer by name. */
  readonly userIds: ReadonlyMap<string, number>
}

/** Where no file says anything else: everything goes through the network, and nobody comes in. */
const NOT_WRITTEN = { wish: {}, line: 0 }
const DEFAULTS = {
  out: { ...NOT_WRITTEN, verdict: 'tunnel', text: 'default: tunnel' },
  in: { ...NOT_WRITTEN, verdict: 'block', text: 'incomingDefault: block' },
  strict: { ...NOT_WRITTEN, verdict: 'block', text: 'default: block' },
} as const satisfies Record<string, Default>

const EMPTY_LIST: RuleList = { rules: [], default: undefined }
const NO_RULES: RuleBook = {
  file: 'no rules file',
  apps: [],
  strict: undefined,
  global: { out: EMPTY_LIST, in: EMPTY_LIST },
  lists: new Map(),
}

const NAMING: ReadonlySet<Where['kind']> = new Set(['name', 'names', 'list'])

const WHOSE: Readonly<Record<Layer, string>> = {
  app: 'of its own section',
  strict: 'for unknown programs',
  global: 'for all',
}

/**
 * Rules, ready to judge flows. Never changes.
 *
 *     app or strict section: its rules, first match  ─▶  global rules, first match  ─▶  default of the section  ─▶  global default
 */
export class RuleSet {
  readonly ruleCount: number
  /** There are sections that only flows of certain programs, or of unknown ones, fall under. */
  readonly asksForApps: boolean
  /** There are rules that let something in. */
  readonly letsIn: boolean
  /** There are rules that look at names. */
  readonly asksForNames: boolean
  readonly #apps: WhoFinder<SectionFinder>
  readonly #strict: SectionFinder | undefined
  readonly #global: SectionFinder
  readonly #locator: Locator

  constructor(book: RuleBook, { lists, locator, userIds }: RuleSetParts) {
    const finders = (section: Section, layer: Layer): SectionFinder => ({
      out: finderOf(section.out, layer, book.file, lists, layer === 'strict' ? DEFAULTS.strict : undefined),
      in: finderOf(section.in, layer, book.file, lists, undefined),
    })
    const { apps, strict, global } = book
    this.#apps = new WhoFinder(
      apps.map((section) => ({ who: section.who, result: finders(section, 'app') })),
      userIds,
    )
    this.#strict = strict && finders(strict, 'strict')
    const all = finders(global, 'global')
    this.#global = {
      out: { ...all.out, otherwise: all.out.otherwise ?? judgementOf(DEFAULTS.out, 'global', book.file) },
      in: { ...all.in, otherwise: all.in.otherwise ?? judgementOf(DEFAULTS.in, 'global', book.file) },
    }
    this.#locator = locator
    const rules = rulesOf(book)
    this.ruleCount = rules.length
    const incoming = [global, ...(strict === undefined ? [] : [strict]), ...apps].map((section) => section.in)
    this.letsIn = incoming.some((list) => [...list.rules, ...(list.default ? [list.default] : [])].some(letsThrough))
    this.asksForNames = rules.some(({ to }) => to.some(({ kind }) => NAMING.has(kind)))
    this.asksForApps = strict !== undefined || apps.some(({ who }) => who.interface === undefined)
  }

  judge(facts: FlowFacts): Judgement {
    const flow = new FlowOnMap(facts, this.#locator)
    const side = facts.direction === 'in' ? 'in' : 'out'
    const own = this.#sectionOf(facts)?.[side]
    const global = this.#global[side]
    return own?.finder.find(flow) ?? global.finder.find(flow) ?? own?.otherwise ?? (global.otherwise as Judgement)
  }

  /**
   * Why a question for a name is not answered: because whatever the app would do with the answer is blocked. Undefined if
   * something might be let through, depending on addresses, ports or protocols. Those of the facts do not count.
   */
  refusalOfName(facts: FlowFacts): Judgement | undefined {
    const flow = new FlowOnMap({ ...facts, address: undefined }, this.#locator)
    const own = this.#sectionOf(facts)?.out
    const fate =
      own?.finder.findForName(flow, letsThrough) ??
      this.#global.out.finder.findForName(flow, letsThrough) ??
      own?.otherwise ??
      (this.#global.out.otherwise as Judgement)
    return fate === 'open' || letsThrough(fate) ? undefined : fate
  }

  /** Rules that come before the deciding one, and might fit if the address or its place were known. For explanations. */
  undecided(facts: FlowFacts): readonly Judgement[] {
    const flow = new FlowOnMap(facts, this.#locator)
    const side = facts.direction === 'in' ? 'in' : 'out'
    const own = this.#sectionOf(facts)?.[side]
    const open = own?.finder.undecided(flow) ?? []
    return own?.finder.find(flow) === undefined ? [...open, ...this.#global[side].finder.undecided(flow)] : open
  }

  #sectionOf(facts: FlowFacts): SectionFinder | undefined {
    const section = this.#apps.find(facts)
    const isUnknown = facts.direction !== 'forwarded' && facts.app?.path === undefined
    return section ?? (isUnknown ? this.#strict : undefined)
  }
}

/** What counts where there is no rules file. */
export function noRules(locator: Locator): RuleSet {
  return new RuleSet(NO_RULES, { lists: new Map(), locator, userIds: new Map() })
}

function letsThrough({ verdict }: Decision): boolean {
  return verdict === 'tunnel' || verdict === 'direct'
}

interface ListFinder {
  readonly finder: RuleFinder<Judgement>
  readonly otherwise: Judgement | undefined
}

interface SectionFinder {
  readonly out: ListFinder
  readonly in: ListFinder
}

function finderOf(
  list: RuleList,
  layer: Layer,
  file: string,
  lists: RuleSetParts['lists'],
  otherwise: Default | undefined,
): ListFinder {
  const last = list.default ?? otherwise
  return {
    finder: new RuleFinder(list.rules, (rule) => judgementOf(rule, layer, file), lists),
    otherwise: last && judgementOf(last, layer, file),
  }
}

function judgementOf(by: Rule | Default, layer: Layer, file: string): Judgement {
  const { verdict, wish, text, line } = by
  const why =
    'to' in by ? `the first rule ${WHOSE[layer]} that fits` : `no rule fits, and this is the default ${WHOSE[layer]}`
  return Object.freeze({ verdict, wish, layer, rule: { text, place: line === 0 ? file : `${file}:${line}` }, why })
}

/** Looks at the map when a rule asks for it, once for a flow. */
class FlowOnMap implements LocatedFlow {
  readonly facts: FlowFacts
  readonly #locator: Locator
  #location: Location | undefined | 'not looked up' = 'not looked up'

  constructor(facts: FlowFacts, locator: Locator) {
    this.facts = facts
    this.#locator = locator
  }

  get location(): Location | undefined {
    if (this.#location === 'not looked up') {
      const { address } = this.facts
      this.#location = address === undefined ? undefined : this.#locator.locate(address)
    }
    return this.#location
  }
}
