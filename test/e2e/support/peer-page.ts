import { fileURLToPath } from 'node:url'
import type { Host } from '../../world/host.ts'
import type { HostProcess } from '../../world/host-process.ts'

const DRIVER = fileURLToPath(new URL('peer-driver.ts', import.meta.url))
const START_MS = 120_000
const CALL_MS = 90_000

/** An address under which a browser tells its peer that it may be reached. */
export interface Candidate {
  /** `host`, `srflx` (as a STUN server sees it), `prflx` or `relay`. */
  readonly type: string
  /** Made up, as `....local`, if the browser hides it. */
  readonly address: string
  /** Which address of its own it belongs to; empty for that itself. */
  readonly related: string
}

export interface Description {
  readonly sdp: string
  readonly candidates: readonly Candidate[]
}

/** A page of Chromium on a host of the world, which can have a WebRTC data channel. It ends with the world. */
export class PeerPage {
  readonly #process: HostProcess
  #calls = 0

  private constructor(process: HostProcess) {
    this.#process = process
  }

  static async start(host: Host, home: string, flags: readonly string[]): Promise<PeerPage> {
    const process = host.node(DRIVER, flags, { env: { HOME: home } })
    await process.line(/^ready$/, START_MS)
    return new PeerPage(process)
  }

  /** Begins a connection. @param servers STUN servers, as `stun:name:port` */
  offer(servers: readonly string[]): Promise<Description> {
    return this.#call('offer', servers)
  }

  answer(offer: string): Promise<Description> {
    return this.#call('answer', offer)
  }

  /** Says hello over the data channel, and gives what the other side says to that. */
  accept(answer: string): Promise<string> {
    return this.#call('accept', answer)
  }

  /** The address of the other side, as it is seen here. */
  otherEnd(): Promise<string> {
    return this.#call('otherEnd')
  }

  async #call<T>(call: string, ...args: unknown[]): Promise<T> {
    const id = ++this.#calls
    const line = this.#process.nextLine(new RegExp(`^\\{"id":${id},.*$`), CALL_MS)
    this.#process.stdin.write(`${JSON.stringify({ id, call, args })}\n`)
    const { value, failure } = JSON.parse((await line)[0]) as { value: T; failure?: string }
    if (failure !== undefined) throw new Error(failure)
    return value
  }
}
