import { continentOf, isContinent } from '../../shared/geo/continents.ts'
import type { HubMatch, PlaceMatch } from '../navigator/wish.ts'
import type { Mistaken } from './mistake.ts'

const MAX_ASN = 0xffff_ffff
/** Letters that people write and the standard does not have. */
const OTHER_LETTERS: Readonly<Record<string, string>> = { UK: 'GB', EL: 'GR' }

/** `DE` or `C:DE`, `C:EU`, `AS123`. Undefined for what is meant to be something else. */
export function parsePlaceMatch(text: string): PlaceMatch | Mistaken | undefined {
  const [, asn] = /^AS(\d+)$/i.exec(text) ?? []
  if (asn !== undefined) {
    const isOne = Number(asn) >= 1 && Number(asn) <= MAX_ASN
    return isOne ? { kind: 'as', asn: Number(asn) } : { mistake: `"${text}" is no AS; write AS1 to AS${MAX_ASN}` }
  }
  if (/^[A-Z]{2}$/.test(text)) return parseCountry(text)
  if (!/^C:/i.test(text)) return undefined
  const code = text.slice(2).toUpperCase()
  return isContinent(code) ? { kind: 'continent', continent: code } : parseCountry(code)
}

/** Also `hub:KEY` and `operator:NAME`. */
export function parseHubMatch(text: string): HubMatch | Mistaken {
  const [, kind, value = ''] = /^(hub|operator):\s*(.*)$/s.exec(text) ?? []
  if (kind === 'hub') {
    const isKey = /^[0-9a-f]{64}$/i.test(value)
    return isKey ? { kind: 'hub', hub: value.toLowerCase() } : { mistake: 'write the 64 hexadecimal digits of the hub' }
  }
  if (kind === 'operator' && value !== '') return { kind: 'operator', operator: value }
  return (
    parsePlaceMatch(text) ?? { mistake: `"${text}" names no hubs; write C:DE, C:EU, AS123, hub:KEY or operator:NAME` }
  )
}

function parseCountry(code: string): PlaceMatch | Mistaken {
  if (continentOf(code) !== undefined) return { kind: 'country', country: code }
  const other = OTHER_LETTERS[code]
  if (other !== undefined) return { mistake: `there is no country "${code}"; write C:${other}` }
  const instead = isContinent(code) ? `write C:${code} for the continent` : 'write two letters of ISO 3166, like C:DE'
  return { mistake: `there is no country "${code}"; ${instead}` }
}
