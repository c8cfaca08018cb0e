import { continentOf } from '../../shared/geo/continents.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import type { HubMatch } from './wish.ts'

export function matchesHub(match: HubMatch, { key, operator, location }: MapHub): boolean {
  switch (match.kind) {
    case 'country':
      return location.place.country === match.country
    case 'continent':
      return continentOf(location.place.country) === match.continent
    case 'as':
      return location.asn === match.asn
    case 'hub':
      return key === match.hub
    case 'operator':
      return operator === match.operator
  }
}
