import { distanceKm, type Place } from '../../shared/geo/place.ts'
import { WRITE_UNIT_BYTES } from '../../shared/link/frame.ts'
import type { Packet } from '../world/packet.ts'
import { TLS_1_3, X25519_MLKEM768 } from '../world/tls-hello.ts'
import { RECORD, type TlsRecord } from '../world/tls-records.ts'
import { tlsSessions } from '../world/tls-sessions.ts'

const ARP = 0x0806
const ICMPV6 = 58
const TCP = 6
/** Router and neighbour solicitation and advertisement, multicast reports. */
const DISCOVERY = new Set([133, 134, 135, 136, 143])

/** A hub as the tour knows it. */
export interface ExitCandidate {
  readonly city: string
  readonly place: Place
}

/** Nobody may be the exit for a place more often than every eighth time; a set that is too small grows by half. */
const MOST_EXITS = 12
/** What nearness of networks and countries, and capacity, make up for at most. */
const NEARLY_KM = 2_500

/** Cities of the hubs that are among the near-best exits for a place: of equal hubs the nearest, and few enough are all. */
export function nearBestExits(hubs: readonly ExitCandidate[], home: string, place: Place): string[] {
  const exits = hubs
    .filter(({ city }) => city !== home)
    .map((hub) => ({ city: hub.city, km: distanceKm(hub.place, place) }))
    .sort((a, b) => a.km - b.km)
  const farthest = (exits[MOST_EXITS - 1]?.km ?? Number.POSITIVE_INFINITY) + NEARLY_KM
  return exits.filter(({ km }) => km <= farthest).map(({ city }) => city)
}

/** What crossed the wire of the user machine, sorted into what may and what may not. */
export interface WireView {
  /** TCP packets to and from the home hub's link port. */
  readonly home: number
  /** TCP packets to and from the directory. */
  readonly directory: number
  /** ARP and IPv6 neighbour discovery. */
  readonly discovery: number
  /** Everything else, each in a few words. */
  readonly other: readonly string[]
  /** Sentences about what is wrong with the TLS of the home link. */
  readonly tlsMistakes: readonly string[]
}

export interface WireExpectation {
  readonly homeAddresses: readonly string[]
  readonly linkPort: number
  readonly directoryAddresses: readonly string[]
}

/** Sorts a capture of the user's wire. Directory traffic counts as wrong here once the home link carries data. */
export function viewWire(packets: readonly Packet[], expected: WireExpectation): WireView {
  let home = 0
  let directory = 0
  let discovery = 0
  let linkIsUp = false
  const other: string[] = []
  for (const packet of packets) {
    const { ip } = packet
    const peers = ip === undefined ? [] : [ip.source, ip.destination]
    const ports = ip === undefined ? [] : [ip.sourcePort, ip.destinationPort]
    if (packet.etherType === ARP || isDiscovery(packet)) discovery++
    else if (ip?.protocol === TCP && touches(peers, expected.homeAddresses) && ports.includes(expected.linkPort)) {
      home++
      linkIsUp ||= ip.payload.length > 0
    } else if (ip?.protocol === TCP && touches(peers, expected.directoryAddresses) && !(linkIsUp && ip.tcp?.syn)) {
      directory++
    } else other.push(describe(packet))
  }
  return { home, directory, discovery, other, tlsMistakes: tlsMistakes(packets, expected.linkPort) }
}

/**
 * Every TLS session on a link port: TLS 1.3 with X25519MLKEM768, nothing that names us, and writes of whole units of
 * 512 bytes. Sentences about what is not so.
 */
export function tlsMistakes(packets: readonly Packet[], linkPort: number): string[] {
  const sessions = tlsSessions(packets).filter(({ client }) => client.destinationPort === linkPort)
  return sessions.flatMap((session) => {
    const { clientHello, serverHello } = session
    return [
      ...(session.broken ? ['bytes that are no TLS record'] : []),
      ...(serverHello?.version === TLS_1_3 ? [] : ['not TLS 1.3']),
      ...(serverHello?.group === X25519_MLKEM768 ? [] : [`key exchange group ${serverHello?.group ?? 'unknown'}`]),
      ...(clientHello?.alpn === undefined ? [] : ['ALPN in the ClientHello']),
      ...(clientHello?.serverName === undefined ? [] : ['a server name in the ClientHello']),
      ...(clientHello?.resumes === false ? [] : ['a resumed session is offered']),
      ...oddWrites('the client', session.clientRecords, CLIENT_HANDSHAKE_RECORDS, 0),
      ...oddWrites('the hub', session.serverRecords, SERVER_HANDSHAKE_RECORDS, TICKETS),
    ]
  })
}

/** Encrypted records before the first write: certificate, its proof, finished; the server's extensions and request too. */
const CLIENT_HANDSHAKE_RECORDS = 3
const SERVER_HANDSHAKE_RECORDS = 5
/** The server sends two session tickets, behind the handshake or behind its first writes. */
const TICKETS = 2
const TICKETS_WITHIN = 8
/** Type byte and tag that TLS 1.3 adds to what is written. */
const RECORD_OVERHEAD = 17
/** The goodbye at the end of a session: two bytes. */
const ALERT_RECORD = RECORD_OVERHEAD + 2

function oddWrites(who: string, records: readonly TlsRecord[], handshake: number, tickets: number): string[] {
  const encrypted = records.filter(({ type }) => type === RECORD.applicationData).slice(handshake)
  const lengths = encrypted.map(({ fragment }) => fragment.length)
  const isWhole = (length: number): boolean => (length - RECORD_OVERHEAD) % WRITE_UNIT_BYTES === 0
  let ticketsLeft = tickets
  return lengths.flatMap((length, i) => {
    const isGoodbye = i === lengths.length - 1 && length === ALERT_RECORD
    if (isGoodbye || isWhole(length)) return []
    if (i < TICKETS_WITHIN && ticketsLeft-- > 0) return []
    return [`record ${handshake + i + 1} of ${who} has ${length} bytes, which is no whole number of units`]
  })
}

export function isDiscovery({ ip }: Packet): boolean {
  return ip?.protocol === ICMPV6 && DISCOVERY.has(ip.payload[0] ?? 0)
}

function touches(peers: readonly string[], addresses: readonly string[]): boolean {
  return peers.some((peer) => addresses.includes(peer))
}

export function describe({ etherType, ip }: Packet): string {
  if (ip === undefined) return `ethertype 0x${etherType.toString(16)}`
  return `protocol ${ip.protocol}: ${ip.source} port ${ip.sourcePort} to ${ip.destination} port ${ip.destinationPort}`
}
