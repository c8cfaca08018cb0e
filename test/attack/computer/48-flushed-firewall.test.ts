import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { MARKS } from '../../../client/interception/marks.ts'
import { DRIVER_PORTS } from '../../e2e/support/driver-ports.ts'
import { INTRUDERS } from '../../e2e/support/firewall-intruders.ts'
import { InterceptionLab, withoutListener } from '../../e2e/support/interception-lab.ts'
import { ADDRESSES, whyNoHosts } from '../../e2e/support/two-hosts.ts'

const { server: SERVER } = ADDRESSES
const FLUSHES = 20
const LAST_FLUSHES = 4
const STORM_SECONDS = 3
/** The promise: so long after somebody changed the rules they are back. */
const BACK_MS = 1_000
/**
 * A busy computer may need longer: to look and to load, twice at worst, the client runs so many programs one after the
 * other, of the kind that the test runs for a look.
 */
const BUSY_LOOKS = 24
const GIVE_UP_MS = 30_000
const HOOKS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']
const LEGACY = '/usr/sbin/xtables-legacy-multi'

async function eventually(look: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS
  while (!(await look())) if (performance.now() > giveUpAt) throw new Error('it did not come')
}

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of a flushed firewall are skipped: ${impossible}`)
const testLegacy = existsSync(LEGACY) ? test : test.skip

describeHosts('a firewall that somebody else changes (row 48)', () => {
  const lab = new InterceptionLab()
  const folder = mkdtempSync(join(tmpdir(), 'spn-flush-'))

  beforeAll(() => lab.start())
  afterEach(async () => {
    await lab.cleanUp()
    for (const program of ['iptables', 'ip6tables']) {
      for (const table of ['filter', 'mangle', 'nat']) await lab.hosts.run('client', program, ['-t', table, '-F'])
    }
  })
  afterAll(async () => {
    await lab.close()
    rmSync(folder, { recursive: true })
  })

  /** Programs try to reach the server all the time, over everything, while something happens. Gives what left. */
  function sentWhile(during: () => Promise<unknown>): Promise<string[]> {
    return lab.sentByClient(async () => {
      const pings = ([4, 6] as const).map((family) =>
        // With a mark that means "direct" where it comes from the rules, as programs of root can set it.
        lab.hosts.spawn('client', 'ping', ['-q', '-i', '0.01', '-m', `${MARKS.direct}`, SERVER[family]]),
      )
      const attempts: Promise<unknown>[] = []
      const trying = setInterval(() => {
        for (const family of [4, 6] as const) {
          attempts.push(lab.tcp(SERVER[family], DRIVER_PORTS.drop, { timeoutMs: 400 }))
          attempts.push(lab.udp(SERVER[family], DRIVER_PORTS.relay, { timeoutMs: 400 }))
        }
      }, 10)
      try {
        await during()
      } finally {
        clearInterval(trying)
        for (const ping of pings) ping.kill()
        await Promise.all(attempts)
      }
    })
  }

  async function disturb(shell: string, save = ['iptables-save', 'ip6tables-save']): Promise<void> {
    const before = await rulesBy(save)
    await lab.hosts.run('client', 'sh', ['-c', shell])
    const start = performance.now()
    let looks = 0
    await eventually(async () => {
      looks++
      return (await rulesBy(save)).join() === before.join()
    })
    if (looks > BUSY_LOOKS) expect(performance.now() - start).toBeLessThan(BACK_MS)
  }

  /** Rules of ours, and the first of every hook. */
  async function rulesBy(save: readonly string[]): Promise<string[]> {
    const saved = await Promise.all(save.map((program) => lab.hosts.run('client', program, [])))
    return saved
      .flatMap(({ stdout }) => stdout.split(/^\*/m))
      .flatMap((table) => {
        const rules = table.split('\n').filter((line) => line.startsWith('-A '))
        const hooks = HOOKS.map((hook) => rules.find((one) => one.startsWith(`-A ${hook} `)))
        return [...hooks.map((first) => first ?? ''), ...rules.filter((line) => line.startsWith('-A SPN_'))]
      })
      .filter((line) => line !== '')
  }

  test.each(INTRUDERS)('%s: nothing leaves, and the rules are back within a second', async (_who, shell) => {
    const { client, first } = await lab.intercept()
    expect(first).toEqual({ started: true })
    const sent = await sentWhile(() => disturb(shell))
    expect(sent).toEqual([])
    expect(await lab.tcp(SERVER[4], DRIVER_PORTS.answer)).toMatchObject({ result: 'ok' })
    await lab.end(client)
  })

  test(`that is flushed ${FLUSHES} times under traffic lets nothing out`, async () => {
    const { client } = await lab.intercept()
    const sent = await sentWhile(async () => {
      for (let i = 0; i < FLUSHES; i++) await disturb('nft flush ruleset')
    })
    expect(sent).toEqual([])
    await lab.end(client)
    expect((await lab.hosts.run('client', 'nft', ['list', 'tables'])).stdout).not.toContain('spn_guard')
  })

  test('is closed behind a client that ends just when it was flushed, and leaves the computer blocked', async () => {
    for (let i = 0; i < LAST_FLUSHES; i++) {
      const { client } = await lab.intercept()
      const sent = await sentWhile(async () => {
        await lab.hosts.run('client', 'nft', ['flush', 'ruleset'])
        await lab.end(client, { keep: true })
      })
      expect(sent).toEqual([])
    }
  })

  test.each([...INTRUDERS.slice(0, 3), ['nobody', 'true']])(
    'lets nothing out where the client is killed with kill -9 just when it was changed, and is whole again: %s',
    async (_who, shell) => {
      const { client } = await lab.intercept()
      const before = withoutListener(await rulesBy(['iptables-save', 'ip6tables-save']))
      const sent = await sentWhile(async () => {
        await lab.hosts.run('client', 'sh', ['-c', shell])
        await client.kill()
        await lab.guardGone()
      })
      expect(sent).toEqual([])
      const after = withoutListener(await rulesBy(['iptables-save', 'ip6tables-save']))
      expect(after).toEqual(before)
    },
  )

  test(`that is flushed without a pause for ${STORM_SECONDS} s has its rules again afterwards`, async () => {
    const { client } = await lab.intercept()
    const flushing = `end=$(($(date +%s) + ${STORM_SECONDS})); while [ $(date +%s) -lt $end ]; do nft flush ruleset; done`
    const sent = await sentWhile(() => disturb(flushing))
    expect(sent).toEqual([])
    expect(await lab.tcp(SERVER[4], DRIVER_PORTS.answer)).toMatchObject({ result: 'ok' })
    await lab.end(client)
  })

  test('lets nothing out either where its guard was killed, which is back at once', async () => {
    const { client } = await lab.intercept()
    const pids = await lab.hosts.run('client', 'sh', ['-c', 'pgrep --ns $$ --nslist net -x nft -a'])
    const shell = pids.stdout.split('\n').find((line) => line.endsWith('nft -i'))
    process.kill(Number.parseInt(shell ?? '', 10), 'SIGKILL')
    await eventually(async () =>
      (await lab.hosts.run('client', 'nft', ['list', 'tables'])).stdout.includes('spn_guard'),
    )
    const sent = await sentWhile(() => disturb('nft flush ruleset'))
    expect(sent).toEqual([])
    await lab.end(client)
  })

  testLegacy('of the older kind is looked at twice a second', async () => {
    const path = mkdtempSync(join(folder, 'legacy-'))
    for (const name of ['iptables-save', 'iptables-restore', 'ip6tables-save', 'ip6tables-restore']) {
      symlinkSync(LEGACY, join(path, name))
    }
    const { client } = await lab.intercept({ path })
    const saves = ['iptables-legacy-save', 'ip6tables-legacy-save']
    const sent = await sentWhile(async () => {
      for (const table of ['filter', 'mangle', 'nat']) {
        await disturb(`iptables-legacy -t ${table} -F; ip6tables-legacy -t ${table} -F`, saves)
      }
    })
    expect(sent).toEqual([])
    await lab.end(client)
  })
})
