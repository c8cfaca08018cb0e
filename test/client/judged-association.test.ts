import { beforeEach, describe, expect, test } from '@jest/globals'
import type { App } from '../../client/apps/app.ts'
import type { Datagrams } from '../../client/association.ts'
import { MAX_PEERS, MAX_WAITING } from '../../client/judged-association.ts'
import { JudgedConnector } from '../../client/judged-connector.ts'
import { RuleSet } from '../../client/rules/rule-set.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { ConnectorScene } from '../support/connector-scene.ts'
import { ip } from '../support/geo-fixtures.ts'
import { type ExitRecord, MemoryNetwork } from '../support/memory-network.ts'
import { rulesOfText } from '../support/plain-rules.ts'

const FREE = ip('93.184.216.34')
const BLOCKED = ip('93.184.216.35')
const CURL: App = { key: '1000 path:/usr/bin/curl', path: '/usr/bin/curl', uid: 1000, pid: 9 }
const NO_35 = 'global:\n  rules: "- 93.184.216.35"'

let scene: ConnectorScene
let judged: JudgedConnector
let current: RuleSet
let errors: string[]

beforeEach(() => {
  const onConnect = ({ circuit }: ExitRecord): void => circuit().connected(10)
  scene = new ConnectorScene(new MemoryNetwork(['a', 'b', 'c', 'd', 'e'], { onConnect }), { hops: 3 })
  errors = []
  judged = new JudgedConnector({
    ...{ connector: scene.connector, connections: scene.connections },
    ...{
      rules: () => current,
      extraPublic: () => [],
      nameOf: () => undefined,
      aliasesOf: () => [],
    },
  })
})

function change(text: string): void {
  current = new RuleSet(rulesOfText(text), { lists: new Map(), locator: NOWHERE, userIds: new Map() })
  judged.rulesChanged()
}

function open(app?: Promise<App | undefined>): Datagrams {
  const error = (_: unknown, because: string): void => void errors.push(because)
  return judged.openAssociation('socks', { datagram: () => {}, error, closed: () => {} }, app)
}

/** What left, at which exit circuits. */
function left(): string[][] {
  const exits = [...scene.network.hubs.values()].flatMap((hub) => hub.exits)
  return exits.map(({ packets }) => packets.map((one) => ('bytes' in one ? Buffer.from(one.bytes).toString() : '')))
}

describe('a UDP socket that an app asked a proxy for', () => {
  test('reaches the peers that rules allow, by one circuit, and is told of the others', async () => {
    change(NO_35)
    const datagrams = open()
    datagrams.send(FREE, 443, Buffer.from('1'))
    datagrams.send(BLOCKED, 443, Buffer.from('2'))
    datagrams.send('free.example', 443, Buffer.from('3'))
    // As text it is the same address.
    datagrams.send('93.184.216.35', 443, Buffer.from('4'))
    await scene.settle()
    expect([left(), errors]).toEqual([[['1', '3']], ['rule-blocked']])
    const views = scene.connections.all().map(({ target, fault }) => `${target} ${fault}`)
    expect(views.sort()).toEqual(['93.184.216.34:443/udp undefined', '93.184.216.35:443/udp rule-blocked'])
  })

  test('has a path of its own for peers whose rule asks for another', async () => {
    change('global:\n  rules:\n    - { to: 93.184.216.35, verdict: tunnel, hops: 2 }')
    const datagrams = open()
    for (const [to, text] of [
      [FREE, '1'],
      [BLOCKED, '2'],
      [FREE, '3'],
    ] as const)
      datagrams.send(to, 1, Buffer.from(text))
    await scene.settle()
    expect(left().sort()).toEqual([['1', '3'], ['2']])
    expect(scene.paths.map((path) => path.split('>').length).sort()).toEqual([2, 3])
  })

  test('waits for its app where a rule is about apps, with a few datagrams for each peer', async () => {
    change('apps:\n  - { app: /usr/bin/curl, default: tunnel }\nglobal: { default: block }')
    const { promise, resolve } = Promise.withResolvers<App>()
    const datagrams = open(promise)
    const sent = Array.from({ length: MAX_WAITING + 1 }, (_, i) => datagrams.send(FREE, 1, Buffer.from(`${i}`)))
    expect(sent).toEqual([...Array(MAX_WAITING).fill(true), false])
    await scene.settle()
    expect(left()).toEqual([])
    resolve(CURL)
    await scene.settle()
    expect(left()).toEqual([Array.from({ length: MAX_WAITING }, (_, i) => `${i}`)])
  })

  test('begins anew when rules forbid one of its peers', async () => {
    change('')
    const datagrams = open()
    datagrams.send(BLOCKED, 1, Buffer.from('1'))
    await scene.settle()
    change(NO_35)
    await scene.settle()
    expect(scene.connector.circuitCount).toBe(0)
    datagrams.send(BLOCKED, 1, Buffer.from('2'))
    datagrams.send(FREE, 1, Buffer.from('3'))
    await scene.settle()
    expect([left().flat().sort(), errors]).toEqual([['1', '3'], ['rule-blocked']])
  })

  test('goes on when rules change that let the same peers through, and are asked again about the others', async () => {
    change(NO_35)
    const datagrams = open()
    datagrams.send(FREE, 1, Buffer.from('1'))
    datagrams.send(BLOCKED, 1, Buffer.from('2'))
    await scene.settle()
    change(NO_35.replace(/"$/, ' UDP"'))
    datagrams.send(BLOCKED, 1, Buffer.from('3'))
    await scene.settle()
    expect([scene.connector.circuitCount, left(), errors]).toEqual([1, [['1']], ['rule-blocked', 'rule-blocked']])
    change('')
    datagrams.send(BLOCKED, 1, Buffer.from('4'))
    datagrams.send(FREE, 1, Buffer.from('5'))
    await scene.settle()
    expect([scene.connector.circuitCount, left()]).toEqual([1, [['1', '4', '5']]])
  })

  test('remembers so many peers and no more', async () => {
    change('global: { default: block }')
    const datagrams = open()
    for (let port = 1; port <= MAX_PEERS; port++) datagrams.send(FREE, port, Buffer.of(1))
    datagrams.send(FREE, 1, Buffer.of(1))
    expect(errors).toHaveLength(MAX_PEERS)
    datagrams.send(FREE, MAX_PEERS + 1, Buffer.of(1))
    datagrams.send(FREE, 1, Buffer.of(1))
    expect(errors).toHaveLength(MAX_PEERS + 2)
  })
})
