/** The countries (ISO 3166-1) of each continent, by its usual two letters. */
const COUNTRIES_OF = {
  AF: 'AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW',
  AN: 'AQ BV GS HM TF',
  AS: 'AE AF AM AZ BD BH BN BT CC CN CX GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE',
  EU: 'AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK',
  NA: 'AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US VC VG VI',
  OC: 'AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS',
  SA: 'AR BO BR CL CO EC FK GF GY PE PY SR UY VE',
} as const

export type Continent = keyof typeof COUNTRIES_OF

const continents = Object.keys(COUNTRIES_OF) as Continent[]
const byCountry = new Map(
  continents.flatMap((continent) => COUNTRIES_OF[continent].split(' ').map((country) => [country, continent] as const)),
)

/** Undefined for what is no country. Kosovo (XK) is one, as the tables of places have it. */
export function continentOf(country: string): Continent | undefined {
  return byCountry.get(country)
}

export function isContinent(code: string): code is Continent {
  return Object.hasOwn(COUNTRIES_OF, code)
}
