/** Labels under which countries have names registered, in the place of a name: `co.uk`, `com.br`, `ac.jp`. */
const SECOND_LEVEL: ReadonlySet<string> = new Set([
  ...['ac', 'asn', 'co', 'com', 'ed', 'edu', 'go', 'gob', 'gov', 'gouv', 'govt', 'gv', 'id', 'in', 'info', 'ltd', 'me'],
  ...['mil', 'muni', 'ne', 'net', 'nhs', 'nom', 'or', 'org', 'plc', 'police', 'pro', 'pub', 'sch', 'school', 'web'],
])

/**
 * The site that a name belongs to: what somebody has registered, approximated without a list of all registries. The last
 * two labels; three where the last is a country (two letters) and the one before it a usual word for what is registered
 * below it. Where that is wrong (`github.io`), sites of different owners share a circuit, never an app with another.
 */
export function siteOf(name: string): string {
  const labels = name.split('.')
  const [second = '', last = ''] = labels.slice(-2)
  const isRegistry = labels.length > 2 && last.length === 2 && SECOND_LEVEL.has(second)
  return labels.slice(isRegistry ? -3 : -2).join('.')
}
