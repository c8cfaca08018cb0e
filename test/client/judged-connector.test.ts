import { beforeEach, describe, expect, test } from '@jest/globals'
import type { App } from '../../client/apps/app.ts'
import type { InterceptedFlow } from '../../client/interception/interception-api.ts'
import { JudgedConnector } from '../../client/judged-connector.ts'
import { RuleSet } from '../../client/rules/rule-set.ts'
import { type IpRange, parseRange } from '../../shared/base/ip-address.ts'
import type { Target } from '../../shared/cell/target.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { ConnectorScene } from '../support/connector-scene.ts'
import { ip } from '../support/geo-fixtures.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { rulesOfText } from '../support/plain-rules.ts'
import { WEB } from '../support/raw-circuit.ts'
import { TestDirectFlow } from '../support/test-direct-flow.ts'

const named = (name: string, port = 443): Target => ({ kind: 'name', name, port })
const rules = (text: string): RuleSet =>
  new RuleSet(rulesOfText(text), { lists: new Map(), locator: NOWHERE, userIds: new Map() })

const CURL: App = { key: '1000 path:/usr/bin/curl', path: '/usr/bin/curl', uid: 1000, pid: 9 }
const NEVER = new Promise<undefined>(() => {})

let scene: ConnectorScene
let judged: JudgedConnector
let current: RuleSet
let extraPublic: readonly IpRange[]
/** Whose flows are. */
let app: Promise<App | undefined>
/** Of addresses of flows of user 1000, by app. */
let names: Map<string, string>

beforeEach(() => {
  scene = new ConnectorScene(new MemoryNetwork(['a', 'b', 'c', 'd', 'e']), { hops: 3 })
  extraPublic = []
  names = new Map()
  app = Promise.resolve(undefined)
  judged = new JudgedConnector({
    ...{ connector: scene.connector, connections: scene.connections },
    ...{ rules: () => current, extraPublic: () => extraPublic },
    nameOf: ({ app: owner, uid }) => (uid === 1000 ? names.get(owner ?? '') : undefined),
    aliasesOf: () => [],
  })
})

function change(text: string): void {
  current = rules(text)
  judged.rulesChanged()
}

/** What a program is told; its packet waits for it. */
function flow(uid?: number): { flow: InterceptedFlow; verdicts: string[]; past: TestDirectFlow } {
  const verdicts: string[] = []
  const past = new TestDirectFlow()
  return {
    ...{ verdicts, past },
    flow: {
      ...{ source: { address: ip('192.168.1.5'), port: 4 }, destination: { address: ip('93.0.0.1'), port: 443 }, uid },
      ...{ sockets: [], forwarded: undefined },
      admit: () => void verdicts.push('admit'),
      refuse: (how) => void verdicts.push(how),
      direct: () => {
        verdicts.push('direct')
        return past
      },
    },
  }
}

describe('a connection that an app asks a proxy for', () => {
  test('goes through the network, with what the rule asks of the path', async () => {
    current = rules('global:\n  rules:\n    - { to: two.example, verdict: tunnel, hops: 2 }\n    - + .example')
    const opened = [scene.open(named('TWO.example.'), judged), scene.open(named('a.example'), judged)]
    await scene.settle()
    expect(opened.map(({ events }) => events)).toEqual([['opened 4'], ['opened 4']])
    expect(scene.paths.map((path) => path.split('>').length)).toEqual([2, 3])
  })

  test.each([
    ['block', 'rule-blocked'],
    ['drop', 'rule-dropped'],
    ['direct', 'rule-direct'],
  ])('that a rule gives the verdict %s is told %s, and nothing is sent', async (verdict, fault) => {
    current = rules(`global:\n  rules: "${verdict} .example"`)
    const opened = scene.open(named('a.example'), judged)
    opened.tunnel.reset()
    expect([opened.events, opened.tunnel.write(Uint8Array.of(1))]).toEqual([[], false])
    await scene.settle()
    expect([opened.events, scene.network.remains]).toEqual([[`closed ${fault}`], []])
    expect(scene.connections.all()).toMatchObject([{ state: 'failed', fault, target: 'a.example:443', path: [] }])
  })

  test('is judged by its address, its port, and what the map calls public', async () => {
    current = rules('global:\n  rules: |\n    - 93.184.216.34 TCP/80\n    - reserved')
    const test: Target = { kind: 'ip', address: ip('198.18.0.1'), port: 443 }
    const first = [scene.open(WEB, judged), scene.open({ ...WEB, port: 80 }, judged), scene.open(test, judged)]
    extraPublic = scene.scope = [parseRange('198.18.0.0/15') as IpRange]
    const last = scene.open(test, judged)
    await scene.settle()
    expect([...first, last].map(({ events }) => events[0])).toEqual([
      ...['opened 4', 'closed rule-blocked', 'closed rule-blocked', 'opened 4'],
    ])
  })
})

describe('a question for a name', () => {
  const PINNED =
    'global:\n  rules:\n    - { to: [.pinned.example], exit: DE, verdict: tunnel }\n    - "- .blocked.example"'
  const exit = (): string => scene.paths.at(-1)?.split('>').at(-1) as string

  beforeEach(() => {
    const place = { latitude: 52, longitude: 13, country: 'DE', city: '' }
    for (const name of ['d', 'e']) scene.hubs.set(name, { ...scene.hubs.get(name)!, location: { place, asn: 1 } })
    current = rules(PINNED)
  })

  test('goes by the exit that connections of this app to this site have, if a rule says where that is', async () => {
    const exits = new Set<string>()
    for (const key of ['one', 'two', 'three', 'four', 'five', 'six']) {
      const owner: App = { ...CURL, key }
      const { text, connect } = judged.routeOfName('www.pinned.example', { app: key, owner })
      expect(text).toBe('exit DE')
      const question = connect({ kind: 'dns' })
      await scene.settle()
      const asked = exit()
      expect(['d', 'e']).toContain(asked)
      exits.add(asked)
      scene.open(named('pinned.example'), judged, Promise.resolve(owner))
      await scene.settle()
      expect(exit()).toBe(asked)
      question.destroy()
    }
    expect(exits.size).toBe(2)
  })

  test.each(['free.example', 'blocked.example'])(
    'goes by any exit otherwise, and tells nothing of it: %s',
    async (name) => {
      const { text, connect } = judged.routeOfName(name, {})
      expect(text).toBe('')
      const exits = new Set<string>()
      for (let i = 0; i < 20; i++) {
        const question = connect({ kind: 'dns' })
        await scene.settle()
        exits.add(exit())
        question.destroy()
      }
      expect(exits.size).toBeGreaterThan(1)
    },
  )
})

describe('a question after a new identity', () => {
  test('shares no circuit with those of before', () => {
    current = rules('global: { default: tunnel }')
    const texts = [0, 1, 2].map(() => {
      const { text } = judged.routeOfName('www.example', {})
      scene.connector.newIdentity({ app: 'any' })
      return text
    })
    expect(new Set(texts).size).toBe(3)
  })
})

describe('an intercepted connection', () => {
  test('of a guest takes exits of its own, which no other guest has', async () => {
    current = rules('global: { default: tunnel }')
    const exits: (string | undefined)[] = []
    for (let guest = 1; guest <= 8; guest++) {
      const own = new Set<string | undefined>()
      for (let i = 0; i < 4; i++) {
        const source = { address: ip(`10.0.3.${guest}`), port: 4 + i }
        judged.takeFlow({ ...flow().flow, source, forwarded: { interface: 'lxc' } }, app)
        await scene.settle()
        own.add(scene.paths.at(-1)?.at(-1))
      }
      expect(own.size).toBe(1)
      exits.push(...own)
    }
    expect(new Set(exits).size).toBeGreaterThan(1)
  })

  test.each([
    ['tunnel', 'admit'],
    ['direct', 'direct'],
    ['block', 'reset'],
    ['drop', 'drop'],
  ])('of the verdict %s: its program gets %s', async (verdict, told) => {
    current = rules(`global: { default: ${verdict} }`)
    const one = flow()
    judged.takeFlow(one.flow, app)
    await scene.settle()
    expect(one.verdicts).toEqual([told])
  })

  test('is judged by its user', async () => {
    current = rules('apps:\n  - { user: 1000, default: direct }')
    const [mine, other, unknown] = [flow(1000), flow(1001), flow()]
    for (const one of [mine, other, unknown]) judged.takeFlow(one.flow, app)
    await scene.settle()
    expect([mine, other, unknown].map(({ verdicts }) => verdicts)).toEqual([['direct'], ['admit'], ['admit']])
  })

  test('whose wish can not be honoured is refused', async () => {
    current = rules('global: { default: { verdict: tunnel, exit: C:DE } }')
    const one = flow()
    judged.takeFlow(one.flow, app)
    await scene.settle()
    expect(one.verdicts).toEqual(['reset'])
  })
})

describe('whose a connection is', () => {
  const CURL_GOES_DIRECTLY = 'apps:\n  - { app: /usr/bin/curl, default: direct }\nglobal: { default: block }'

  test('is not waited for where no rule is about apps', () => {
    current = rules('global: { default: direct }')
    app = NEVER
    const one = flow(1000)
    judged.takeFlow(one.flow, app)
    expect(one.verdicts).toEqual(['direct'])
  })

  test('decides, where a rule is about apps: nothing is said before it is known', async () => {
    current = rules(CURL_GOES_DIRECTLY)
    const { promise, resolve } = Promise.withResolvers<App>()
    app = promise
    const one = flow(1000)
    judged.takeFlow(one.flow, app)
    await scene.settle()
    expect(one.verdicts).toEqual([])
    resolve(CURL)
    await scene.settle()
    expect(one.verdicts).toEqual(['direct'])
  })

  test('counts for connections of proxies too, and can be seen in the list', async () => {
    current = rules('apps:\n  - { app: /usr/bin/curl, default: tunnel }\nstrict: {}')
    const [mine, other] = [Promise.resolve(CURL), undefined].map((one) => scene.open(WEB, judged, one))
    expect(scene.connections.all()).toEqual([])
    await scene.settle()
    expect([mine?.events, other?.events]).toEqual([['opened 4'], ['closed rule-blocked']])
    expect(scene.connections.all().map((one) => one.app?.key)).toEqual([CURL.key, undefined])
  })

  test('is waited for where a rule is about names: its address has the name that it was told', async () => {
    current = rules('global:\n  rules: direct .example')
    names.set(CURL.key, 'www.example')
    const verdicts = [CURL, undefined].map((one) => {
      app = Promise.resolve(one)
      const asking = flow(1000)
      judged.takeFlow(asking.flow, app)
      expect(asking.verdicts).toEqual([])
      return asking.verdicts
    })
    await scene.settle()
    expect(verdicts).toEqual([['direct'], ['admit']])
  })

  test('that is given up before it is known opens nothing', async () => {
    current = rules(CURL_GOES_DIRECTLY.replace('direct', 'tunnel'))
    const opened = scene.open(WEB, judged, Promise.resolve(CURL))
    opened.tunnel.reset()
    await scene.settle()
    expect([opened.closed, scene.connector.circuitCount]).toEqual([true, 0])
  })

  test('counts when the first rule about apps comes after it was opened', async () => {
    current = rules('')
    const [mine, other] = [CURL, undefined].map((one) => scene.open(WEB, judged, Promise.resolve(one)))
    await scene.settle()
    change('apps:\n  - { app: /usr/bin/curl, default: tunnel }\nglobal: { default: block }')
    await scene.settle()
    expect([mine?.closed, other?.closed]).toEqual([false, true])
  })

  test('counts when it is found only after the first rule about apps came', async () => {
    current = rules('')
    const { promise, resolve } = Promise.withResolvers<App>()
    const [tunnelled, past] = [scene.open(WEB, judged, promise), flow()]
    await scene.settle()
    current = rules('global: { default: direct }')
    judged.takeFlow(past.flow, promise)
    expect(past.verdicts).toEqual(['direct'])
    change('apps:\n  - { app: /usr/bin/curl, rules: "- *" }\nglobal: { rules: "+ 93.184.216.34", default: direct }')
    await scene.settle()
    expect([tunnelled.closed, past.past.ended]).toEqual([false, 0])
    resolve(CURL)
    await scene.settle()
    expect([tunnelled.closed, past.past.ended]).toEqual([true, 1])
  })
})

describe('when rules change', () => {
  const BEFORE = `global:
  rules: |
    + kept.example
    + gone.example
    + other.example
`
  test('connections that both allow in the same way go on, others are cut', async () => {
    current = rules(BEFORE)
    const names = ['kept.example', 'gone.example', 'other.example']
    const [kept, gone, other] = names.map((name) => scene.open(named(name), judged))
    await scene.settle()
    change(
      'global:\n  rules:\n    - + kept.example\n    - { to: other.example, verdict: tunnel, hops: 2 }\n    - "- *"',
    )
    await scene.settle()
    expect(kept?.events).toEqual(['opened 4'])
    expect(gone?.events).toEqual(['opened 4', 'closed cancelled'])
    expect(other?.events).toEqual(['opened 4', 'closed cancelled'])
    expect(scene.connector.circuitCount).toBe(1)
  })

  test('connections are judged by the newest rules they went on with', async () => {
    current = rules('')
    const opened = scene.open(named('a.example'), judged)
    await scene.settle()
    for (const text of [BEFORE, 'global: { rules: + a.example }', 'global: { default: { verdict: tunnel } }'])
      change(text)
    await scene.settle()
    expect(opened.events).toEqual(['opened 4'])
    change('global: { default: direct }')
    await scene.settle()
    expect(opened.closed).toBe(true)
  })

  test('a connection that is still being made is cut too', async () => {
    current = rules('')
    const one = flow()
    judged.takeFlow(one.flow, app)
    change('global: { default: block }')
    await scene.settle()
    expect([one.verdicts, scene.connector.circuitCount]).toEqual([['unreachable'], 0])
  })

  test('connections that are over are not cut again', async () => {
    current = rules('')
    const opened = scene.open(named('a.example'), judged)
    await scene.settle()
    opened.tunnel.reset()
    await scene.settle()
    const { events } = opened
    const before = [...events]
    change('global: { default: block }')
    await scene.settle()
    expect(events).toEqual(before)
  })
})
