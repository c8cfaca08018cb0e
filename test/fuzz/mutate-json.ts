import { parseUtf8, utf8 } from '../../shared/base/bytes.ts'
import { chooseOne, type Random } from '../../shared/base/random.ts'

/** Values of every kind, also such as JSON has but no option wants. */
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 0.5, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 1e300, -0],
  ...[
    '',
    '*',
    '0',
    '1',
    '[',
    '::',
    '127.0.0.1:1',
    '[::1]:1',
    '0.0.0.0/0',
    '\u0000',
    '\ud800',
    'http://a',
    'constructor',
  ],
  ...[[], {}, [[]], { a: 1 }, ['a', 'a']],
]
const MAX_NODES = 10_000

/** A copy with one value, name or list changed; undefined if the input is no JSON. */
export function mutateJson(input: Uint8Array, random: Random): Uint8Array | undefined {
  const root = { value: read(input) }
  if (root.value === undefined) return undefined
  const places = placesIn(root, [])
  const { holder, key } = chooseOne(places, random) as Place
  change(holder, key, random)
  return utf8(JSON.stringify(root.value ?? null))
}

type Holder = Record<string, unknown>
interface Place {
  readonly holder: Holder
  readonly key: string
}

function read(input: Uint8Array): unknown {
  try {
    return JSON.parse(parseUtf8(input) ?? '')
  } catch {
    return undefined
  }
}

/** Every value with what holds it. */
function placesIn(root: object, places: Place[]): Place[] {
  const open: object[] = [root]
  for (let holder = open.pop(); holder !== undefined && places.length < MAX_NODES; holder = open.pop()) {
    for (const [key, value] of Object.entries(holder)) {
      places.push({ holder: holder as Holder, key })
      if (typeof value === 'object' && value !== null) open.push(value)
    }
  }
  return places
}

function change(holder: Holder, key: string, random: Random): void {
  const value = holder[key]
  switch (random.below(6)) {
    case 0:
      holder[key] = chooseOne(VALUES, random)
      return
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      return
    case 2:
      if (Array.isArray(holder)) holder.push(structuredClone(value))
      else holder[`${key}${random.below(10)}`] = value
      return
    case 3:
      if (typeof value === 'number') holder[key] = value + random.below(3) - 1
      else if (typeof value === 'string') holder[key] = changeText(value, random)
      return
    case 4:
      holder[key] = [value]
      return
    default:
      if (Array.isArray(value)) holder[key] = [...value, chooseOne(VALUES, random)]
      else if (typeof value === 'object' && value !== null) (value as Holder).extra = chooseOne(VALUES, random)
      else holder[key] = String(value)
  }
}

const CHARS = [
  '0',
  '9',
  'f',
  'A',
  '.',
  ':',
  '/',
  '*',
  '-',
  ' ',
  '[',
  ']',
  '%',
  '\n',
  '\u0000',
  'ä',
  '\u{1f600}',
  '\u2028',
]

function changeText(text: string, random: Random): string {
  const at = random.below(text.length + 1)
  const kept = text.slice(at + random.below(3))
  return text.slice(0, at) + (random.below(3) === 0 ? '' : (chooseOne(CHARS, random) as string)) + kept
}
