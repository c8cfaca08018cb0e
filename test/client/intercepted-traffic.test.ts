import { beforeEach, describe, expect, test } from '@jest/globals'
import { InterceptedTraffic, MAX_WATCHED } from '../../client/intercepted-traffic.ts'
import { DatagramFlows } from '../../client/interception/datagram-flows.ts'
import type { FlowEndpoint, SeenFlow } from '../../client/interception/interception-api.ts'
import { JudgedConnector } from '../../client/judged-connector.ts'
import { RuleSet } from '../../client/rules/rule-set.ts'
import { formatEndpoint, formatIp } from '../../shared/base/ip-address.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { ConnectorScene } from '../support/connector-scene.ts'
import { ip } from '../support/geo-fixtures.ts'
import { type ExitRecord, MemoryNetwork } from '../support/memory-network.ts'
import { rulesOfText } from '../support/plain-rules.ts'
import { TestDirectFlow } from '../support/test-direct-flow.ts'

const end = (address: string, port: number): FlowEndpoint => ({ address: ip(address), port })
const SOURCE = end('192.168.1.5', 40_000)
const [A, B, C] = ['93.184.216.1', '93.184.216.2', '93.184.216.3'].map((text) => end(text, 443)) as [
  FlowEndpoint,
  FlowEndpoint,
  FlowEndpoint,
]
const [A_NAME, B_NAME] = [A, B].map(({ address, port }) => formatEndpoint(address, port))

let scene: ConnectorScene
let current: RuleSet
let judged: JudgedConnector
let traffic: InterceptedTraffic
let flows: DatagramFlows
/** What the kernel knows, by the port at which datagrams of the flow reach the listener. */
let known: Map<number, Pick<SeenFlow, 'source' | 'destination'>>
let log: string[]
/** Names that addresses were given for, by whom they were given to. */
let names: Map<string | undefined, string>

beforeEach(() => {
  const onConnect = ({ circuit }: ExitRecord): void => circuit().connected(10)
  scene = new ConnectorScene(new MemoryNetwork(['a', 'b', 'c', 'd', 'e'], { onConnect }), { hops: 3 })
  judged = new JudgedConnector({
    ...{ connector: scene.connector, connections: scene.connections },
    ...{
      rules: () => current,
      extraPublic: () => [],
      nameOf: ({ app }) => names.get(app) ?? names.get(undefined),
      aliasesOf: () => [],
    },
  })
  traffic = new InterceptedTraffic({
    ...{ judged, connector: scene.connector },
    findApp: () => Promise.resolve(undefined),
    resolver: {
      answer: async (_, { app }) => {
        names.set(app, 'guest.example')
        return Uint8Array.of(1)
      },
    },
  })
  known = new Map()
  names = new Map()
  log = []
  flows = new DatagramFlows(MAX_WATCHED + 10, {
    identify: ({ peerPort }) => known.get(peerPort),
    forget: ({ peerPort }) => void known.delete(peerPort),
    send: (_, bytes) => void log.push(`answer ${Buffer.from(bytes)}`),
    inject: ({ address, port }, _, bytes) => void log.push(`${formatEndpoint(address, port)} ${Buffer.from(bytes)}`),
    undelivered: () => {},
    now: () => scene.network.clock.now(),
  })
})

function change(text: string): void {
  current = new RuleSet(rulesOfText(text), { lists: new Map(), locator: NOWHERE, userIds: new Map() })
  judged.rulesChanged()
}

/** The program sends a datagram; the kernel asks what becomes of it if it knows no such flow. */
function send(destination: FlowEndpoint, text: string): void {
  const flow = { source: SOURCE, destination, uid: 1000, forwarded: undefined, sockets: [] }
  const name = formatEndpoint(destination.address, destination.port)
  const deliver = (port: number): void =>
    flows.handle({ local: '127.0.0.1', peer: '192.168.1.5', peerPort: port }, Buffer.from(text))
  const port = [...known].find(([, one]) => one.destination === destination)?.[0]
  if (port !== undefined) return deliver(port)
  log.push(`judge ${name}`)
  traffic.takeDatagrams({
    ...flow,
    admit: (open, group) => {
      if (!flows.admit(flow, open, group)) return
      const free = 1 + Math.max(0, ...known.keys())
      known.set(free, flow)
      queueMicrotask(() => deliver(free))
    },
    refuse: (how) => void log.push(`${how} ${name}`),
    direct: () => new TestDirectFlow(),
  })
}

const exits = (): ExitRecord[] => [...scene.network.hubs.values()].flatMap((hub) => hub.exits)

/** What left, at which exit circuits. */
const left = (): string[] =>
  exits().map(({ packets }) => packets.map((one) => ('bytes' in one ? Buffer.from(one.bytes).toString() : '')).join())

describe('a UDP socket of a program', () => {
  test('has one circuit, and what new rules do not let through is judged again by itself', async () => {
    change('')
    for (const [to, text] of [
      [A, '1'],
      [B, '2'],
    ] as const)
      send(to, text)
    await scene.settle()
    change('global:\n  rules: "- 93.184.216.2"')
    for (const [to, text] of [
      [A, '3'],
      [B, '4'],
    ] as const)
      send(to, text)
    await scene.settle()
    expect(left()).toEqual(['1,2,3'])
    expect(log).toEqual([`judge ${A_NAME}`, `judge ${B_NAME}`, `judge ${B_NAME}`, `reset ${B_NAME}`])
    expect(scene.connector.circuitCount).toBe(1)
  })

  test('ends its circuit with the last destination that it may reach', async () => {
    change('')
    send(A, '1')
    await scene.settle()
    change('global: { default: block }')
    await scene.settle()
    expect([scene.connector.circuitCount, flows.size, known.size]).toEqual([0, 0, 0])
  })

  test('hears whom it has not addressed only if rules let them in, by the rules of the moment', async () => {
    change('')
    send(A, '1')
    await scene.settle()
    const [exit] = exits()
    const arrive = async (from: FlowEndpoint, text: string): Promise<void> => {
      exit?.circuit().carry([{ type: 'datagram', peer: { kind: 'ip', ...from }, bytes: Buffer.from(text) }])
      await scene.settle()
    }
    await arrive(A, 'a')
    await arrive(B, 'b')
    change('global:\n  incoming: "+ 93.184.216.2 UDP/40000"')
    await arrive(B, 'c')
    await arrive(C, 'd')
    change('')
    await arrive(B, 'e')
    expect(log).toEqual([`judge ${A_NAME}`, 'answer a', `${B_NAME} c`])
  })

  test('has no destination that new rules miss: of too many the oldest is judged again', async () => {
    change('')
    send(A, 'first')
    for (let port = 1; port < MAX_WATCHED; port++) send({ ...C, port }, '')
    await scene.settle()
    send(A, 'again')
    expect(log.filter((line) => line === `judge ${A_NAME}`)).toHaveLength(1)
    send(B, 'one more')
    await scene.settle()
    send(A, 'judged')
    expect(log.filter((line) => line === `judge ${A_NAME}`)).toHaveLength(2)
  })
})

describe('a guest', () => {
  test('pings by an exit of its own, which no other guest has', async () => {
    change('')
    const exitsOf: (string | undefined)[] = []
    for (let guest = 1; guest <= 8; guest++) {
      const own = new Set<string | undefined>()
      for (let identifier = 0; identifier < 4; identifier++) {
        const ends = { source: ip(`10.0.3.${guest}`), destination: A.address }
        const request = { ...ends, uid: undefined, sockets: [], forwarded: { interface: 'guests0' } }
        const answers = { answer: () => {}, refuse: () => {}, direct: () => new TestDirectFlow() }
        traffic.takeEcho({ ...request, identifier, sequence: 1, bytes: Uint8Array.of(1), ...answers })
        await scene.settle()
        own.add(scene.paths.at(-1)?.at(-1))
      }
      expect(own.size).toBe(1)
      exitsOf.push(...own)
    }
    expect(new Set(exitsOf).size).toBeGreaterThan(1)
  })

  const ADDRESS = ip('10.0.3.7')
  const seen = (address: Uint8Array, port: number) => ({
    ...{ source: { address, port: 5 }, destination: { ...A, port } },
    ...{ uid: undefined, forwarded: { interface: 'guests0' }, sockets: [] },
  })

  test('is judged by the names that it was given itself, whatever it does with the address', async () => {
    change('global:\n  rules: |\n    drop guest.example\n    - other.example')
    names.set(undefined, 'other.example')
    await traffic.answerName({ ...seen(ADDRESS, 53), transport: 'udp', query: Uint8Array.of(1) })
    for (const address of [ADDRESS, ip('10.0.3.8')]) {
      const flow = seen(address, 443)
      const refuse = (how: string) => void log.push(`${formatIp(address)} ${how}`)
      const rest = { refuse, admit: () => {}, direct: () => new TestDirectFlow() }
      traffic.takeFlow({ ...flow, ...rest })
      traffic.takeDatagrams({ ...flow, ...rest })
      const ends = { source: address, destination: A.address }
      const request = { identifier: 1, sequence: 1, bytes: Uint8Array.of(1), answer: () => {} }
      traffic.takeEcho({ ...flow, ...ends, ...request, ...rest })
    }
    await scene.settle()
    expect(log.sort()).toEqual([...Array(3).fill('10.0.3.7 drop'), ...Array(3).fill('10.0.3.8 reset')])
  })
})
