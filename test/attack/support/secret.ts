import { toHex, utf8 } from '../../../shared/base/bytes.ts'
import { formatIp, type IpAddress } from '../../../shared/base/ip-address.ts'

/** Something that no log may hold, and the ways in which it could stand there. */
export interface Secret {
  readonly what: string
  readonly spellings: readonly Spelling[]
}

interface Spelling {
  readonly sample: string
  readonly pattern: RegExp
}

/** Shorter pieces would be found anywhere by chance. */
const LEAST_BASE64 = 5

export function secretBytes(what: string, bytes: Uint8Array): Secret {
  const hex = toHex(bytes)
  const object = [...bytes].map((byte, i) => `"${i}":${byte}`).join(',')
  const loose = [hex, hex.replace(/(..)(?=.)/g, '$1:'), hex.replace(/(..)(?=.)/g, '$1 '), [...bytes].join(','), object]
  return { what, spellings: [...loose.map((text) => spelling(text, 'i')), ...base64Of(bytes)] }
}

export function secretText(what: string, text: string): Secret {
  return { what, spellings: [spelling(text, 'i'), ...secretBytes(what, utf8(text)).spellings] }
}

export function secretAddress(what: string, address: IpAddress): Secret {
  const { spellings } = secretBytes(what, address)
  const groups = toHex(address).replace(/(....)(?=.)/g, '$1:')
  const number = BigInt(`0x${toHex(address)}`).toString()
  const texts = [formatIp(address), groups, groups.replace(/(^|:)0{1,3}/g, '$1'), number]
  return { what, spellings: [...texts.map((text) => spelling(text, 'i')), ...spellings] }
}

/** A port as a number of its own. */
export function secretPort(what: string, port: number): Secret {
  return { what, spellings: [{ sample: `:${port}`, pattern: new RegExp(`(?<![0-9a-f])${port}(?![0-9a-f])`, 'i') }] }
}

/** What stands in the text though it may not. */
export function leaks(text: string, secrets: readonly Secret[]): string[] {
  return secrets.filter(({ spellings }) => spellings.some(({ pattern }) => pattern.test(text))).map(({ what }) => what)
}

/** Runs of digits that could be a key, and are none of those that everybody may know. */
export function unknownRuns(text: string, known: readonly string[]): string[] {
  let rest = text
  for (const one of known) rest = rest.replaceAll(one, '')
  return rest.match(/[0-9a-f]{32,}|[A-Za-z0-9+/_-]{40,}/gi) ?? []
}

function spelling(sample: string, flags: '' | 'i'): Spelling {
  return { sample, pattern: new RegExp(sample.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), flags) }
}

/** The part of base64 that is the same whatever stands before and behind, at each of the three ways to be cut. */
function base64Of(bytes: Uint8Array): Spelling[] {
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([new Uint8Array(before), bytes]).toString('base64')
    const core = whole.slice(Math.ceil((8 * before) / 6), Math.floor((8 * (before + bytes.length)) / 6))
    const url = core.replaceAll('+', '-').replaceAll('/', '_')
    return core.length < LEAST_BASE64 ? [] : [spelling(core, ''), spelling(url, '')]
  })
}
