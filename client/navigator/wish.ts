import type { Continent } from '../../shared/geo/continents.ts'
import type { Profile } from './profiles.ts'

/** Where something is: in a country, on a continent, in an autonomous system. */
export type PlaceMatch =
  | { readonly kind: 'country'; readonly country: string }
  | { readonly kind: 'continent'; readonly continent: Continent }
  | { readonly kind: 'as'; readonly asn: number }

/** Hubs by where or whose they are. */
export type HubMatch =
  | PlaceMatch
  /** The hub's `key`. */
  | { readonly kind: 'hub'; readonly hub: string }
  | { readonly kind: 'operator'; readonly operator: string }

/** What a connection asks of its path. */
export interface Wish {
  /** 1 to 4. */
  readonly hops: number
  /** The exit is one of these. */
  readonly exit?: readonly HubMatch[]
  /** None of these is on the path. */
  readonly avoid?: readonly HubMatch[]
  /**
   * The exit is a hub that the map marks as trusted (SPEC section 11.3): it reads what is not encrypted, and acts in the
   * user's name. The other hubs learn neither, so they need not be.
   */
  readonly trusted?: boolean
}

/** A wish that may leave the number of hops to a profile. */
export interface OpenWish extends Wish {
  /** Says how many hops there are, in place of `hops`. */
  readonly profile?: Profile
}

/** What a rule asks of paths; what it does not name is as the options say. */
export type RuleWish = Partial<OpenWish>

/** Hops or a profile of a rule stand in place of both of the options. */
export function ruledWish({ profile, ...base }: OpenWish, ruled: RuleWish): OpenWish {
  const isRuled = ruled.hops !== undefined || ruled.profile !== undefined
  return { ...base, ...(profile === undefined || isRuled ? {} : { profile }), ...ruled }
}

/** All that it asks for but hops, as people read it. */
export function wishText({ exit = [], avoid = [], trusted = false }: RuleWish): string[] {
  return [
    ...exit.map((match) => `exit ${hubMatchText(match)}`),
    ...avoid.map((match) => `avoid ${hubMatchText(match)}`),
    ...(trusted ? ['trusted exit'] : []),
  ]
}

/** All that it asks for, a line each; empty if that is nothing. */
export function fullWishText({ hops, profile, ...wish }: RuleWish): string {
  const length = [...(profile === undefined ? [] : [profile]), ...(hops === undefined ? [] : [`${hops} hops`])]
  return [...length, ...wishText(wish)].join('\n')
}

/** As rules write it. */
export function hubMatchText(match: HubMatch): string {
  switch (match.kind) {
    case 'country':
      return match.country
    case 'continent':
      return `C:${match.continent}`
    case 'as':
      return `AS${match.asn}`
    case 'hub':
      return `hub:${match.hub}`
    case 'operator':
      return `operator:${match.operator}`
  }
}

/** Do both wishes ask for the same? */
export function sameWish(a: RuleWish, b: RuleWish): boolean {
  return fullWishText(a) === fullWishText(b)
}
