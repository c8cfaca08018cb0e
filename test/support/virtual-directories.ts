import { toHex } from '../../shared/base/bytes.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import type { HttpAnswer, HttpRequest, HttpSend } from '../../shared/map/directory-client.ts'
import type { Network } from '../../shared/map/network.ts'
import { signTime } from '../../shared/map/signed-time.ts'
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
