import { type RuleWish, sameWish } from '../navigator/wish.ts'
import type { Protocol } from './flow-facts.ts'
import type { Where } from './where.ts'
import type { Wildcard } from './wildcard.ts'

/** Through the network, past it, refused, or thrown away without a word. What comes in is let in by `direct`. */
export const VERDICTS = ['tunnel', 'direct', 'block', 'drop'] as const
export type Verdict = (typeof VERDICTS)[number]

/** What becomes of a flow. A wish is for `tunnel` only. */
export interface Decision {
  readonly verdict: Verdict
  readonly wish: RuleWish
}

export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Line `line` of the rules file: what fits any of `to`, any protocol and any port gets the decision. */
export interface Rule extends Decision {
  /** Not empty. */
  readonly to: readonly Where[]
  /** Undefined for all. */
  readonly protocols: readonly Protocol[] | undefined
  readonly ports: readonly PortRange[] | undefined
  /** As it was written, or the same in short. */
  readonly text: string
  readonly line: number
}

/** Of whom a section is: all that is given must fit. */
export interface Who {
  readonly app?: readonly Wildcard[]
  readonly script?: readonly Wildcard[]
  readonly unit?: readonly Wildcard[]
  readonly container?: readonly Wildcard[]
  readonly tag?: readonly Wildcard[]
  /** User ids and names. */
  readonly user?: readonly (number | string)[]
  /** Forwarded flows that come in by this interface: these have no program. */
  readonly interface?: readonly Wildcard[]
}

/** Rules that are looked through in their order, for what goes out (also for somebody behind this computer) or comes in. */
export interface RuleList {
  readonly rules: readonly Rule[]
  readonly default: Default | undefined
}

/** What counts where no rule fits. */
export interface Default extends Decision {
  readonly text: string
  readonly line: number
}

export interface Section {
  readonly out: RuleList
  readonly in: RuleList
}

export interface AppSection extends Section {
  readonly who: Who
  readonly line: number
}

/** A rules file as it was read. */
export interface RuleBook {
  readonly file: string
  /** The first one that fits the owner of a flow is its. */
  readonly apps: readonly AppSection[]
  /** For flows of which no program is known and that no section of `apps` fits. */
  readonly strict: Section | undefined
  readonly global: Section
  /** The list files by their names: their paths as written. */
  readonly lists: ReadonlyMap<string, { readonly path: string; readonly line: number }>
}

/** All rules of a book, in the order of the file's sections. */
export function rulesOf({ apps, strict, global }: RuleBook): readonly Rule[] {
  const sections: Section[] = [...apps, ...(strict === undefined ? [] : [strict]), global]
  return sections.flatMap((section) => [...section.out.rules, ...section.in.rules])
}

/** What is allowed by both and goes the same way goes on; everything else must be cut. */
export function stillAllowed(before: Decision, after: Decision): boolean {
  if (before.verdict !== after.verdict) return false
  return before.verdict === 'direct' || (before.verdict === 'tunnel' && sameWish(before.wish, after.wish))
}
