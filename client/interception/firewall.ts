import { Fault } from '../../shared/base/fault.ts'
import type { IpFamily } from '../../shared/base/ip-address.ts'
import { callFirewall } from './firewall-program.ts'
import { addGuestRoutes, removeGuestRoutes } from './guest-address.ts'
import { countPackets, findPresent, loadText, type PresentRules, removeText } from './restore-text.ts'
import { type RuleOptions, rulesOf } from './rules.ts'
import { OTHER_PROTOCOL } from './rules-filter.ts'

const FAMILIES: readonly IpFamily[] = [4, 6]

/** How iptables names its programs, by family. */
const PROGRAMS = {
  4: { save: 'iptables-save', restore: 'iptables-restore' },
  6: { save: 'ip6tables-save', restore: 'ip6tables-restore' },
} as const

/** Somebody else may change the rules between our looking and our writing; then we look again. */
const ATTEMPTS = 3
/** Older iptables locks its tables; so many seconds it waits for the lock. */
const LOCK_SECONDS = '5'

/**
 * Puts the rules for both families in force, over anything that an earlier run left behind, and at the top of their
 * chains. Without leftovers a failure leaves nothing of ours; with leftovers it leaves the computer blocked as it was.
 *
 * @throws Fault options-invalid, program-missing, capability-missing, firewall-failed
 */
export async function loadRules(options: RuleOptions): Promise<void> {
  const texts = FAMILIES.map((family) => ({ family, rules: rulesOf(options, family) }))
  const blockedBefore = await hasRules()
  try {
    await addGuestRoutes()
    for (const { family, rules } of texts) await change(family, (present) => loadText(rules, present))
  } catch (error) {
    if (!blockedBefore) await removeRules().catch(() => undefined)
    throw error
  }
}

/**
 * Takes every rule of ours out, whoever left it. Both families are tried even if the first one fails.
 *
 * @throws Fault program-missing, capability-missing, firewall-failed
 */
export async function removeRules(): Promise<void> {
  const results = await Promise.allSettled(FAMILIES.map((family) => change(family, removeText)))
  await removeGuestRoutes()
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** Are there rules of ours, of this or an earlier run? @throws Fault program-missing, capability-missing, firewall-failed */
export async function hasRules(): Promise<boolean> {
  const present = await Promise.all(FAMILIES.map(readPresent))
  return present.some((rules) => rules.size > 0)
}

/** How many packets of other protocols than TCP, UDP and ICMP were refused. @throws Fault as `hasRules` */
export async function countOtherProtocols(): Promise<number> {
  const saved = await Promise.all(FAMILIES.map((family) => callFirewall(PROGRAMS[family].save, ['--counters'], '')))
  return saved.reduce((sum, text) => sum + countPackets(text, OTHER_PROTOCOL), 0)
}

async function change(family: IpFamily, textFor: (present: PresentRules) => string | undefined): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const text = textFor(await readPresent(family))
    if (text === undefined) return
    try {
      await callFirewall(PROGRAMS[family].restore, ['--noflush', '--wait', LOCK_SECONDS], text)
      return
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof Fault) || error.code !== 'firewall-failed') throw error
    }
  }
}

async function readPresent(family: IpFamily): Promise<PresentRules> {
  return findPresent(await savedRules(family))
}

/** All rules of everybody, as `iptables-save` prints them. @throws Fault as `hasRules` */
export function savedRules(family: IpFamily): Promise<string> {
  return callFirewall(PROGRAMS[family].save, [], '')
}

/** How one family's rules are loaded when we are gone: what `program` reads where they are in force, and where nothing of them is left. */
export type RulesWill = readonly { readonly program: string; readonly over: string; readonly anew: string }[]

/** @param saved what `savedRules` prints of each family while the rules are in force */
export function rulesWill(options: RuleOptions, saved: readonly string[]): RulesWill {
  return FAMILIES.map((family, i) => {
    const rules = rulesOf({ ...options, abandoned: true }, family)
    const over = loadText(rules, findPresent(saved[i] ?? ''))
    return { program: PROGRAMS[family].restore, over, anew: loadText(rules, new Map()) }
  })
}

/** Is this the older kind of iptables, which keeps its rules elsewhere than nftables? @throws Fault as `hasRules` */
export async function isLegacy(): Promise<boolean> {
  return (await callFirewall(PROGRAMS[4].save, ['--version'], '')).includes('legacy')
}
