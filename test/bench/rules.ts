/**
 * What the rules cost a new connection: 1,000 rules, and a list of 500,000 entries. No network, a few seconds.
 */
import { DestinationList } from '../../client/rules/destination-list.ts'
import { type FlowFacts, flowScope } from '../../client/rules/flow-facts.ts'
import { RuleSet } from '../../client/rules/rule-set.ts'
import { cheapRandom } from '../fuzz/chance.ts'
import { readWholeList, rulesOfText } from '../support/plain-rules.ts'
import { percentile, report } from './report.ts'

const LIST_ENTRIES = 500_000
const APPS = 100
/** Flows are judged so many at a time: a clock is too coarse for one. */
const BATCH = 100

export function benchRules({ samples }: { readonly samples: number }): void {
  const started = performance.now()
  const list = readWholeList(longList(), 'ads')
  if (!(list instanceof DestinationList)) throw new Error('the list has mistakes')
  report('rules.list_load_ms', performance.now() - started, 'ms')

  const nobody = { lists: new Map([['ads', list]]), locator: { locate: () => undefined }, userIds: new Map() }
  const apps = new RuleSet(rulesOfText(rulesOfApps()), nobody)
  reportJudging('rules.judge_us', apps, samples)
  const networks = new RuleSet(rulesOfText(networksForAll()), nobody)
  reportJudging('rules.judge_networks_us', networks, samples)
}

/** 500 rules of 100 apps, 499 names for all, and last a long list. */
function rulesOfApps(): string {
  const own = (app: number): object => ({
    app: `/usr/bin/app${app}`,
    rules: Array.from({ length: 5 }, (_, i) => `+ .own${i}.app${app}.example TCP/443`),
  })
  const names = Array.from({ length: 499 }, (_, i) => `- .site${i}.example`)
  const content = {
    lists: { ads: 'ads.txt' },
    apps: Array.from({ length: APPS }, (_, i) => own(i)),
    global: { rules: [...names, '- L:ads'] },
  }
  return JSON.stringify(content)
}

/** 1,000 networks for all: they are looked through one after the other, and mostly none fits. */
function networksForAll(): string {
  const rules = Array.from({ length: 1_000 }, (_, i) => `- ${20 + (i >> 8)}.${i & 255}.0.0/16`)
  return JSON.stringify({ global: { rules } })
}

/** Four names to one network. */
function longList(): string {
  const entry = (i: number): string =>
    i % 5 === 0 ? `${30 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24` : `host${i}.ads${i % 1_000}.example`
  return Array.from({ length: LIST_ENTRIES }, (_, i) => entry(i)).join('\n')
}

function reportJudging(name: string, set: RuleSet, samples: number): void {
  const random = cheapRandom(1)
  const flows = Array.from({ length: samples * BATCH }, () => someFlow(random.below))
  const times: number[] = []
  for (let at = 0; at < flows.length; at += BATCH) {
    const before = performance.now()
    for (let i = at; i < at + BATCH; i++) set.judge(flows[i] as FlowFacts)
    times.push(((performance.now() - before) * 1_000) / BATCH)
  }
  report(`${name}.p50`, percentile(times, 0.5), 'us')
  report(`${name}.p99`, percentile(times, 0.99), 'us')
}

function someFlow(below: (limit: number) => number): FlowFacts {
  const address = Uint8Array.of(1 + below(220), below(256), below(256), below(256))
  const names = [
    `www.own${below(5)}.app${below(APPS)}.example`,
    `a.site${below(600)}.example`,
    `host${below(LIST_ENTRIES)}.ads${below(1_000)}.example`,
  ]
  const name = names[below(4)]
  return {
    ...{ direction: 'out', protocol: 'tcp', port: 443, address, scope: flowScope(address), nameGiven: false },
    ...(name === undefined ? {} : { name }),
    app: { path: `/usr/bin/app${below(APPS * 2)}`, uid: 1_000 },
  }
}

if (import.meta.main) benchRules({ samples: 2_000 })
