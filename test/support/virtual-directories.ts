import { toHex } from '../../shared/base/bytes.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { decodeCanonical } from '../../shared/map/canonical.ts'
import type { HttpAnswer, HttpRequest, HttpSend } from '../../shared/map/http-send.ts'
import { readMap } from '../../shared/map/hub-map.ts'
import type { Network } from '../../shared/map/network.ts'
import { readSignedFrame } from '../../shared/map/signed-frame.ts'
import { MAX_MAP_BYTES } from '../../shared/map/signed-map.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import { ValueReader } from '../../shared/map/value-reader.ts'
import { hex } from './hex.ts'

/** What one directory does with the requests of a test. Undefined for a directory that does not answer. */
export type Behaviour = (request: HttpRequest) => Partial<HttpAnswer> | undefined | Promise<Partial<HttpAnswer>>

const NOTHING = new Uint8Array(0)

/** Directories that answer as a test says, without HTTP. Their names are the hosts of the network's URLs. */
export class VirtualDirectories {
  readonly asked: string[] = []
  readonly requests: HttpRequest[] = []
  readonly #behaviours = new Map<string, Behaviour>()

  on(name: string, behaviour: Behaviour): this {
    this.#behaviours.set(name, behaviour)
    return this
  }

  readonly send: HttpSend = async (request, signal) => {
    signal.throwIfAborted()
    const { host, pathname } = new URL(request.url)
    const name = host.split('.')[0] as string
    this.asked.push(`${name}${pathname}`)
    this.requests.push(request)
    const answer = await this.#behaviours.get(name)?.(request)
    if (answer === undefined) throw new TypeError('fetch failed')
    return { status: 200, etag: undefined, body: NOTHING, ...answer }
  }
}

/**
 * A directory that has what `behaviour` gives as its newest map: it says so at `/v1/head`, and has it, and what it had before,
 * at `/v1/maps`. It has no diffs. What is no map has the hash of its bytes.
 */
export function headFirst(behaviour: Behaviour): Behaviour {
  const had = new Map<string, Uint8Array>()
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname.startsWith('/v1/diffs/')) return { status: 404 }
    const known = had.get(pathname.replace('/v1/maps/', ''))
    if (known !== undefined) return { body: known }
    const answer = await behaviour(request)
    if (pathname !== '/v1/head' || answer?.body === undefined || (answer.status ?? 200) !== 200)
      return answer ?? refuse()
    const { epoch, hash } = nameOf(answer.body)
    had.set(hash, answer.body)
    return jsonAnswer({ epoch, hash })
  }
}

function refuse(): never {
  throw new TypeError('fetch failed')
}

function nameOf(signed: Uint8Array): { epoch: number; hash: string } {
  try {
    const { content } = readSignedFrame('SPNM', signed, MAX_MAP_BYTES)
    const read = readMap(new ValueReader(decodeCanonical(content, { maxBytes: MAX_MAP_BYTES, maxDepth: 6 })))
    return { epoch: read?.map.epoch ?? 0, hash: toHex(sha256(content)) }
  } catch {
    return { epoch: 0xffff_ffff, hash: toHex(sha256(signed)) }
  }
}

/** The answer of an honest directory to a request for the time. */
export function timeAnswer(
  request: HttpRequest,
  timeMs: number,
  key: DirectoryKey,
  { id }: Network,
): Partial<HttpAnswer> {
  const nonce = hex(new URL(request.url).searchParams.get('nonce') ?? '')
  const { signature } = signTime(nonce, timeMs, key, id)
  return jsonAnswer({ timeMs, signature: toHex(signature) })
}

export function jsonAnswer(value: unknown, status = 200): Partial<HttpAnswer> {
  return { status, body: new Uint8Array(Buffer.from(JSON.stringify(value))) }
}
