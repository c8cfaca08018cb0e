/** Regions of the world in the manner of the UN's geographical scheme (M49), and which of them touch. */
const REGIONS: Readonly<Record<string, string>> = {
  northAmerica: 'US CA BM GL PM',
  centralAmerica: 'MX GT BZ SV HN NI CR PA',
  caribbean: 'CU JM HT DO PR BS BB TT AG AI AW BQ CW DM GD GP KN KY LC MF MQ MS SX TC VC VG VI BL',
  southAmerica: 'BR AR CL CO PE VE EC BO PY UY GY SR GF FK',
  northernEurope: 'GB IE SE NO FI DK IS EE LV LT FO AX GG JE IM SJ',
  westernEurope: 'DE FR NL BE LU CH AT LI MC',
  southernEurope: 'IT ES PT GR HR SI RS BA ME MK AL MT AD SM VA GI XK',
  easternEurope: 'PL CZ SK HU RO BG UA BY MD RU',
  northernAfrica: 'EG MA DZ TN LY SD EH',
  westernAfrica: 'NG GH CI SN ML BF NE TG BJ LR SL GN GW GM CV MR SH',
  middleAfrica: 'CD CG CM GA AO TD CF GQ ST',
  easternAfrica: 'KE TZ UG ET RW BI SO DJ ER MG MU MZ ZM ZW MW SS SC RE KM YT',
  southernAfrica: 'ZA NA BW LS SZ',
  westernAsia: 'TR IL SA AE IQ SY JO LB KW QA BH OM YE PS CY GE AM AZ',
  centralAsia: 'KZ UZ TM KG TJ',
  southernAsia: 'IN PK BD LK NP IR AF BT MV IO',
  easternAsia: 'CN JP KR TW HK MO MN KP',
  southEasternAsia: 'SG ID MY TH VN PH MM KH LA BN TL',
  oceania: 'AU NZ FJ PG NC PF GU WS TO VU SB KI NR PW FM MH MP AS CK NU TK TV WF NF CX CC',
}

const NEIGHBOURS: readonly (readonly [string, string])[] = [
  ['northAmerica', 'centralAmerica'],
  ['northAmerica', 'caribbean'],
  ['centralAmerica', 'caribbean'],
  ['centralAmerica', 'southAmerica'],
  ['caribbean', 'southAmerica'],
  ['northernEurope', 'westernEurope'],
  ['northernEurope', 'easternEurope'],
  ['westernEurope', 'southernEurope'],
  ['westernEurope', 'easternEurope'],
  ['southernEurope', 'easternEurope'],
  ['southernEurope', 'northernAfrica'],
  ['southernEurope', 'westernAsia'],
  ['easternEurope', 'westernAsia'],
  ['easternEurope', 'centralAsia'],
  ['northernAfrica', 'westernAsia'],
  ['northernAfrica', 'westernAfrica'],
  ['northernAfrica', 'middleAfrica'],
  ['northernAfrica', 'easternAfrica'],
  ['westernAfrica', 'middleAfrica'],
  ['middleAfrica', 'easternAfrica'],
  ['middleAfrica', 'southernAfrica'],
  ['easternAfrica', 'southernAfrica'],
  ['westernAsia', 'southernAsia'],
  ['westernAsia', 'centralAsia'],
  ['centralAsia', 'southernAsia'],
  ['centralAsia', 'easternAsia'],
  ['southernAsia', 'easternAsia'],
  ['southernAsia', 'southEasternAsia'],
  ['easternAsia', 'southEasternAsia'],
  ['southEasternAsia', 'oceania'],
]

const REGION_OF = new Map(
  Object.entries(REGIONS).flatMap(([region, countries]) => countries.split(' ').map((country) => [country, region])),
)
const TOUCHING = new Set(NEIGHBOURS.flatMap(([a, b]) => [`${a} ${b}`, `${b} ${a}`]))

/** Undefined for a country that is in none. */
export function regionOf(country: string): string | undefined {
  return REGION_OF.get(country)
}

export function areNeighbours(a: string, b: string): boolean {
  return TOUCHING.has(`${a} ${b}`)
}
