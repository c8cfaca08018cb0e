import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { CircuitKeyPair } from '../../shared/crypto/circuit-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { type Certificate, createLinkCertificate } from '../../shared/link/link-certificate.ts'
import { LinkDriver } from '../../shared/link/link-driver.ts'
import { MemoryLedger } from '../../shared/link/memory-ledger.ts'
import { libp2pKeyFromSeed } from '../../shared/link/peer.ts'
import { SocketPipe } from '../../shared/link/socket-pipe.ts'
import { LINK_TLS_OPTIONS } from '../../shared/link/tls-parameters.ts'
import { type Descriptor, signDescriptor } from '../../shared/map/descriptor.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'
import { descriptorOf } from '../support/map-fixtures.ts'
import { hubAddress } from './address-plan.ts'

const PORT = 443
const LIFE_S = 3 * 3600
const OPERATORS = 3_000
const ROLES = { home: true, relay: true, exit4: false, exit6: false }
const NO_ROLES = { home: false, relay: false, exit4: false, exit6: false }
const CITIES = ['Vienna', 'Frankfurt am Main', 'São Paulo', 'Tokyo', 'Ashburn', 'Singapore', 'Johannesburg', 'Sydney']

/** One hub of the crowd: its keys and its address. */
export interface CrowdHub {
  readonly n: number
  readonly ip: Uint8Array
  readonly key: HubKey
  readonly circuitKey: Uint8Array
  /** Its answer on links; made when somebody first dials it. */
  certificate: Promise<Certificate> | undefined
}

/**
 * Hubs with identities and addresses of their own, all in this process. Who dials one of them speaks TLS with its
 * certificate, and a link after that; nothing else of a hub is here.
 */
export class HubCrowd {
  readonly #networkId: Uint8Array
  readonly #byAddress = new Map<string, CrowdHub>()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #ledger = new MemoryLedger(64 * 1024 * 1024)
  /** Links that directories dialled until the peer's HELLO was there. */
  links = 0
  #made = 0

  constructor(networkId: Uint8Array) {
    this.#networkId = networkId
    this.#server = createServer({ noDelay: true }, (socket) => void this.#accept(socket))
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: '::', port: PORT, backlog: 4096 }, resolve)
    })
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Makes so many more, at the next addresses of the plan. */
  grow(count: number): CrowdHub[] {
    return Array.from({ length: count }, () => {
      const n = this.#made++
      const [ip, key] = [hubAddress(n), HubKey.generate()]
      const hub = { n, ip, key, circuitKey: CircuitKeyPair.generate().publicBytes, certificate: undefined }
      this.#byAddress.set(toHex(ip), hub)
      return hub
    })
  }

  /** Nobody answers at its address any more. */
  leave(hub: CrowdHub): void {
    this.#byAddress.delete(toHex(hub.ip))
  }

  /** What it says of itself now. */
  signed(hub: CrowdHub, changes: Partial<Descriptor> = {}): Uint8Array {
    const { n, ip, key, circuitKey } = hub
    const now = Math.floor(Date.now() / 1000)
    const isExit = n % 2 === 0
    const place = {
      latitude: ((n * 37) % 180_000) / 1000 - 90,
      longitude: ((n * 101) % 360_000) / 1000 - 180,
      country: String.fromCharCode(65 + (n % 26), 65 + ((n >> 5) % 26)),
      city: CITIES[n % CITIES.length] as string,
    }
    const said = {
      ...{ sequence: now, published: now, expires: now + LIFE_S, linkAddresses: [{ ip, port: PORT }], circuitKey },
      roles: { ...ROLES, home: n % 5 > 0, exit4: isExit, exit6: isExit && ip.length === 16 },
      exitPolicy: isExit ? DEFAULT_EXIT_POLICY : [],
      ...{ operator: `operator-${n % OPERATORS}.example`, capacityKbits: 10_000 * (1 + (n % 100)), place },
    }
    return signDescriptor(descriptorOf(key, { ...said, ...changes }), key, this.#networkId)
  }

  /** What it says last: a later word than any before. */
  signedFarewell(hub: CrowdHub): Uint8Array {
    const sequence = Math.floor(Date.now() / 1000) + 1
    return this.signed(hub, { sequence, roles: NO_ROLES })
  }

  async #accept(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    const hub = this.#byAddress.get(toHex(parseIp(socket.localAddress ?? '') ?? new Uint8Array(0)))
    if (hub === undefined) return void socket.destroy()
    hub.certificate ??= libp2pKeyFromSeed(hub.key.toSeed()).then(createLinkCertificate)
    const secureContext = createSecureContext({ ...LINK_TLS_OPTIONS, ...(await hub.certificate) })
    const tls = new TLSSocket(socket, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false })
    tls.on('error', () => socket.destroy())
    tls.once('secure', () => this.#speak(tls))
  }

  #speak(socket: TLSSocket): void {
    const options = { networkId: this.#networkId, initiator: false, maxCircuits: 1, ledger: this.#ledger }
    const nothing = (): void => undefined
    const events = { control: nothing, drained: nothing, closed: nothing }
    const driver = new LinkDriver(
      new SocketPipe(socket, undefined),
      options,
      {
        ...events,
        ready: () => {
          this.links++
        },
        circuit: (end) => end.abort(),
      },
      systemClock,
    )
    driver.start()
  }
}
