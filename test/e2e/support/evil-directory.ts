/**
 * A directory that does not keep to the rules, as a program: the real one, with another vote, or other ears and mouths.
 *
 *     node evil-directory.ts '{"faces": [...]}'
 *
 * With several faces it says another thing to each part of the other directories: each face is a whole directory with
 * the same key, a folder and a port of its own, that knows and tells its part alone. Who calls from which part comes to
 * which port is for the firewall.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Consensus, type ConsensusParts } from '../../../directory/consensus/consensus.ts'
import type { Vote } from '../../../directory/consensus/vote.ts'
import type { Directory } from '../../../directory/directory.ts'
import { openDirectory } from '../../../directory/open-directory.ts'
import { directoryOptionsSchema } from '../../../directory/options.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { readOptions } from '../../../shared/base/options.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { directHttp } from '../../../shared/map/direct-http.ts'
import type { HttpSend } from '../../../shared/map/http-send.ts'
import { HUB_FLAGS } from '../../../shared/map/hub-flags.ts'
import { sortHubs } from '../../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../../shared/map/key-bundles.ts'
import { MAX_CLASS, MAX_LOAD_CLASS, type Measured } from '../../../shared/map/measured.ts'

export interface Face {
  /** Configuration file of a directory. */
  readonly config: string
  /** What it votes: what it found, or something else about every hub, or no relay among them. */
  readonly vote: keyof typeof VOTES
  /** So far its clock is behind, ms. */
  readonly lateMs: number
  /** Urls of the directories that it talks to, each with the url at which it does. Default: all, as they are. */
  readonly peers?: Readonly<Record<string, string>>
}

const OWN_KEY = new CircuitPublicKey(CircuitKeyPair.generate().publicBytes)
const OWN_HUB_ID = systemRandom.bytes(32)
/** Of several maps of one epoch the one with the larger name would be the one before. */
const LARGEST = new Uint8Array(32).fill(255)
const OWN_ADDRESS = { ip: Uint8Array.of(198, 18, 250, 2), port: 443 }
const NOWHERE = { place: { latitude: 0, longitude: 0, country: 'XX', city: 'Nowhere' }, asn: 1 }

const LIES: Measured = {
  ...{ uptimeClass: MAX_CLASS, mtbfClass: MAX_CLASS, loadClass: MAX_LOAD_CLASS, delayClass: MAX_CLASS },
  doubts: { place: true, capacity: true, status: true },
}

const VOTES = {
  'the truth': (vote: Vote): Vote => vote,
  lies: (vote: Vote): Vote => {
    const lies = vote.hubs.map(({ sequence, hub }) => ({ sequence: sequence + 1_000, hub: lieAbout(hub) }))
    const [example] = lies
    const invented = example && { ...example.hub, id: OWN_HUB_ID, key: toHex(OWN_HUB_ID) }
    const hubs = sortHubs([...lies.map(({ hub }) => hub), ...(invented === undefined ? [] : [invented])])
    const sequence = example?.sequence ?? 1
    const previous = { epoch: vote.previous.epoch, hash: LARGEST }
    return { ...vote, previous, hubs: hubs.map((hub) => ({ sequence, provenSince: 1, weightKbits: 0xffffffff, hub })) }
  },
  'no relays': (vote: Vote): Vote => ({ ...vote, hubs: vote.hubs.filter(({ hub }) => !hub.roles.relay) }),
}

/** All that a map says of a hub, but whose it is. */
function lieAbout(hub: KeyedHub): KeyedHub {
  const { home, relay, exit4, exit6 } = hub.roles
  return {
    ...{ id: hub.id, key: hub.key, circuitKey: OWN_KEY, linkAddresses: [OWN_ADDRESS], noiseAddresses: [OWN_ADDRESS] },
    roles: { ...hub.roles, home: !home, relay: !relay, exit4: !exit4, exit6: !exit6 },
    ...{ exitPolicy: [], operator: 'nobody', family: 'nobody', version: '99', location: NOWHERE },
    capacityKbits: hub.capacityKbits * 1_000,
    measured: LIES,
    flags: HUB_FLAGS.trusted + HUB_FLAGS.discouraged,
  }
}

function sendTo(peers: Readonly<Record<string, string>>): HttpSend {
  return (request, signal) => {
    const [from, to] = Object.entries(peers).find(([url]) => request.url.startsWith(`${url}/`)) ?? []
    if (from === undefined) return Promise.reject(new TypeError('not one of this part'))
    return directHttp({ ...request, url: `${to}${request.url.slice(from.length)}` }, signal)
  }
}

async function open({ config, vote, lateMs, peers }: Face): Promise<Directory> {
  const options = readOptions(directoryOptionsSchema, config)
  const openConsensus = (parts: ConsensusParts): Consensus =>
    new Consensus({
      ...parts,
      vote: async () => {
        const found = await parts.vote()
        return found && VOTES[vote](found)
      },
      send: peers === undefined ? parts.send : sendTo(peers),
    })
  return openDirectory(options, { wallClock: () => Date.now() - lateMs, openConsensus })
}

const { faces } = JSON.parse(process.argv[2] as string) as { readonly faces: readonly Face[] }
// By a clock that is behind, the last map would be of an epoch to come.
await sleep(Math.max(...faces.map(({ lateMs }) => lateMs)))
const directories = await Promise.all(faces.map(open))
process.once('SIGTERM', () => void Promise.all(directories.map((one) => one.close())).then(() => process.exit(0)))
await Promise.all(directories.map((one) => one.start()))
console.log('ready')
