import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { APP_GID, InterceptionLab, REDIRECT_PORT, withoutListener } from './support/interception-lab.ts'
import { ADDRESSES, whyNoHosts } from './support/two-hosts.ts'

const { server: SERVER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const

/** So many connections and datagrams are tried during one start. */
const MAX_ATTEMPTS = 1_000

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of starting and ending interception are skipped: ${impossible}`)

/** The older kind of iptables, which keeps its rules elsewhere in the kernel. */
const LEGACY = '/usr/sbin/xtables-legacy-multi'
const testLegacy = existsSync(LEGACY) ? test : test.skip
if (!existsSync(LEGACY)) console.warn(`the test with older iptables is skipped: ${LEGACY} is missing`)

describeHosts('interception', () => {
  const lab = new InterceptionLab()
  const folder = mkdtempSync(join(tmpdir(), 'spn-interception-'))
  let before: string[]

  beforeAll(async () => {
    await lab.start()
    // Rules of somebody else, some of which would let everything pass before it reaches ours.
    for (const program of ['iptables', 'ip6tables']) {
      await lab.hosts.run('client', program, ['-A', 'OUTPUT', '-j', 'ACCEPT'])
      await lab.hosts.run('client', program, [
        '-t',
        'mangle',
        '-A',
        'OUTPUT',
        '-m',
        'mark',
        '--mark',
        '1',
        '-j',
        'ACCEPT',
      ])
      await lab.hosts.run('client', program, ['-t', 'nat', '-N', 'OTHER'])
      await lab.hosts.run('client', program, ['-t', 'nat', '-A', 'OUTPUT', '-j', 'OTHER'])
    }
    before = await lab.rules()
    expect(before).toHaveLength(8)
  })

  afterEach(async () => {
    const after = await lab.rules()
    await lab.cleanUp()
    expect(after).toEqual(before)
  })

  afterAll(async () => {
    await lab.close()
    rmSync(folder, { recursive: true })
  })

  /** Nothing of an ordinary program leaves, whatever it tries. */
  async function expectCutOff(): Promise<void> {
    const sent = await lab.sentByClient(() =>
      Promise.all(
        FAMILIES.flatMap((family) => [
          expectTimeout(lab.tcp(SERVER[family], DRIVER_PORTS.answer, { timeoutMs: 1_200 })),
          lab.udp(SERVER[family], DRIVER_PORTS.relay, { timeoutMs: 500 }),
          lab.hosts.run('client', 'ping', ['-c1', '-W1', SERVER[family]], { gid: APP_GID }),
        ]),
      ),
    )
    expect(sent).toEqual([])
  }

  async function expectTimeout(outcome: ReturnType<typeof lab.tcp>): Promise<void> {
    expect(await outcome).toMatchObject({ result: 'timeout' })
  }

  async function expectWorking(): Promise<void> {
    for (const family of FAMILIES) {
      expect(await lab.tcp(SERVER[family], DRIVER_PORTS.answer)).toMatchObject({ result: 'ok' })
      expect(await lab.tcp(SERVER[family], DRIVER_PORTS.relay, { text: 'x' })).toMatchObject({ text: 'hello x' })
    }
  }

  /** A program that would reach the server if the rules let it. */
  async function expectDirect(): Promise<void> {
    for (const family of FAMILIES) {
      expect(await lab.tcp(SERVER[family], DRIVER_PORTS.reset, { text: 'x' })).toMatchObject({ text: 'hello x' })
      expect(await lab.udp(SERVER[family], DRIVER_PORTS.reset)).toMatchObject({ text: 'datagram' })
    }
  }

  test('comes first of all rules, and leaves them as they were', async () => {
    await expectDirect()
    const { client, first } = await lab.intercept()
    expect(first).toEqual({ started: true })
    const during = await lab.rules()
    const jumps = during.flatMap((rule, i) =>
      /^-A (OUTPUT|INPUT|FORWARD|PREROUTING|POSTROUTING) -j SPN_/.test(rule) ? [i] : [],
    )
    expect(jumps).toHaveLength(20)
    for (const i of jumps) {
      const hook = during[i]?.split(' ')[1]
      expect(during[i - 1]).not.toMatch(`-A ${hook} `)
    }
    await expectWorking()
    await lab.end(client)
    expect(await lab.rules()).toEqual(before)
    await expectDirect()
  })

  test('that can not close the sockets from before ends them with the next packet, whoever sends it', async () => {
    const [writing, reading] = await Promise.all(
      [0, 1].map(() =>
        Promise.all(
          FAMILIES.map((family) =>
            lab.command(lab.app, { op: 'hold', host: SERVER[family], port: DRIVER_PORTS.reset }),
          ),
        ),
      ),
    )
    const kept = await lab.command(lab.app, { op: 'hold', host: DIRECT[4], port: DRIVER_PORTS.reset })
    const { client } = await lab.intercept({ keepsSockets: true })
    expect(client.messages.filter(({ warning }) => warning !== undefined)).toHaveLength(1)
    const sent = await lab.sentByClient(async () => {
      for (const { id } of writing ?? []) {
        expect(await lab.command(lab.app, { op: 'write', of: id, text: 'x' })).toMatchObject({ result: 'ECONNRESET' })
      }
      const ends = (reading ?? []).map(({ id }) => lab.command(lab.app, { op: 'end', of: id }))
      await lab.command(lab.server, { op: 'push', text: 'news' })
      for (const end of ends) expect(await end).toMatchObject({ result: 'ECONNRESET' })
      await lab.command(lab.server, { op: 'push', text: 'more' })
    })
    expect(sent.filter((line) => !line.includes(DIRECT[4]))).toEqual([])
    expect(await lab.command(lab.app, { op: 'write', of: kept.id, text: 'x' })).toMatchObject({ result: 'ok' })
    await lab.end(client)
  })

  test('lets a connection that is judged direct go out as it is, and asks about it once', async () => {
    const { client } = await lab.intercept({ verdict: 'direct' })
    for (const family of FAMILIES) {
      const { id, result } = await lab.command(lab.app, { op: 'hold', host: SERVER[family], port: DRIVER_PORTS.reset })
      expect(result).toBe('ok')
      expect(await lab.command(lab.app, { op: 'write', of: id, text: 'x' })).toMatchObject({ text: 'x' })
      await lab.command(lab.server, { op: 'push', text: 'news' })
      expect(await lab.command(lab.app, { op: 'write', of: id, text: 'x' })).toMatchObject({ result: 'ok' })
    }
    expect(await lab.udp(SERVER[4], DRIVER_PORTS.reset)).toMatchObject({ text: 'datagram' })
    expect(client.messages.filter(({ flow }) => flow !== undefined)).toHaveLength(3)
    await lab.end(client)
  })

  test('is not started twice', async () => {
    const { client } = await lab.intercept()
    const rules = await lab.rules()
    const second = await lab.intercept()
    expect(second.first).toMatchObject({ fault: 'queue-taken' })
    expect(await lab.rules()).toEqual(rules)
    await expectWorking()
    await lab.end(client)
  })

  test('that is killed cuts the computer off until it is back, and at no moment does anything leave', async () => {
    const first = await lab.intercept()
    const rules = await lab.rules()
    await first.client.kill()
    await expectCutOff()

    let again: Awaited<ReturnType<typeof lab.intercept>> | undefined
    const sent = await lab.sentByClient(async () => {
      const attempts: Promise<unknown>[] = []
      const trying = setInterval(() => {
        for (const family of attempts.length < MAX_ATTEMPTS ? FAMILIES : []) {
          attempts.push(lab.tcp(SERVER[family], DRIVER_PORTS.drop, { timeoutMs: 500 }))
          attempts.push(lab.udp(SERVER[family], DRIVER_PORTS.relay, { timeoutMs: 500 }))
        }
      }, 5)
      try {
        again = await lab.intercept()
      } finally {
        clearInterval(trying)
        await Promise.all(attempts)
      }
    })
    expect(sent).toEqual([])
    expect(again?.first).toEqual({ started: true })
    expect(await lab.rules()).toEqual(rules)
    await expectWorking()
    await lab.end(again!.client)
  })

  test('that was killed can be cleaned up after', async () => {
    const { client } = await lab.intercept()
    await client.kill()
    const cleaning = await lab.intercept({ remove: true })
    expect(cleaning.first).toEqual({ removed: true })
    cleaning.client.child.stdin?.end()
    await cleaning.client.ended()
    expect(await lab.rules()).toEqual(before)
    await expectDirect()
  })

  test('can end and leave the computer cut off', async () => {
    const { client } = await lab.intercept()
    await lab.end(client, { keep: true })
    await expectCutOff()
    const next = await lab.intercept()
    await expectWorking()
    await lab.end(next.client)
  })

  test('says when its queue breaks, and the computer stays cut off until it is closed', async () => {
    const { client } = await lab.intercept()
    const waiting = lab.tcp(SERVER[4], DRIVER_PORTS.undecided, { timeoutMs: 1_500 })
    await client.next(({ flow }) => flow !== undefined)
    client.send({ break: true })
    await client.next(({ failure }) => failure === 'internal')
    await expectCutOff()
    await expectTimeout(waiting)
    await lab.end(client)
  })

  test.each([
    ['without the right to change the firewall', { without: 'net_admin' }, 'capability-missing'],
    ['in another group than the rules take for its own', { gid: APP_GID }, 'options-invalid'],
  ])('%s does not start, and changes nothing', async (_why, options, fault) => {
    expect((await lab.intercept(options)).first).toMatchObject({ fault })
  })

  test('does not start when its port is taken, and changes nothing', async () => {
    const listener = await lab.intercept()
    await lab.end(listener.client)
    const holder = lab.hosts.spawn('client', 'node', [
      '-e',
      `net.createServer().listen(${REDIRECT_PORT}, '127.0.0.1', () => console.log(1))`,
    ])
    await new Promise((resolve) => holder.stdout?.once('data', resolve))
    expect((await lab.intercept()).first).toMatchObject({ fault: 'port-in-use' })
    holder.kill('SIGKILL')
  })

  test('that fails half way leaves nothing; over rules from before it leaves the computer cut off', async () => {
    const path = mkdtempSync(join(folder, 'path-'))
    writeFileSync(join(path, 'ip6tables-restore'), '#!/bin/sh\necho "ip6tables-restore: line 7 failed" >&2\nexit 1\n')
    chmodSync(join(path, 'ip6tables-restore'), 0o755)
    expect((await lab.intercept({ path })).first).toMatchObject({ fault: 'firewall-failed' })
    expect(await lab.rules()).toEqual(before)

    const { client } = await lab.intercept()
    const rules = withoutListener(await lab.rules())
    await client.kill()
    await lab.guardGone()
    expect(withoutListener(await lab.rules())).toEqual(rules)
    expect((await lab.intercept({ path })).first).toMatchObject({ fault: 'firewall-failed' })
    expect(withoutListener(await lab.rules())).toEqual(rules)
    const next = await lab.intercept()
    await expectWorking()
    await lab.end(next.client)
  })

  testLegacy('works with older iptables', async () => {
    const path = mkdtempSync(join(folder, 'legacy-'))
    for (const name of ['iptables-save', 'iptables-restore', 'ip6tables-save', 'ip6tables-restore']) {
      symlinkSync(LEGACY, join(path, name))
    }
    const { client, first } = await lab.intercept({ path })
    expect(first).toEqual({ started: true })
    await expectWorking()
    await client.kill()
    await expectCutOff()
    const next = await lab.intercept({ path })
    await expectWorking()
    await lab.end(next.client)
    for (const name of ['iptables-save', 'ip6tables-save']) {
      expect((await lab.hosts.run('client', join(path, name), [])).stdout).not.toContain('SPN_')
    }
    await expectDirect()
  })
})
