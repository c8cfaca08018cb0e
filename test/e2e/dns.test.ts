import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { DNSSEC_OK, decode, encode } from 'dns-packet'
import { freePort } from '../net/free-port.ts'
import { LoopbackNetwork } from '../net/loopback-network.ts'
import { ROOT } from '../support/program.ts'
import { throwAwayCertificate } from '../support/throw-away-certificate.ts'
import type { Zone } from '../support/zone-answer.ts'
import { ZoneServer } from '../support/zone-server.ts'

const run = promisify(execFile)

const LONG_TEXTS = Array.from({ length: 20 }, (_, i) => `${i} ${'x'.repeat(200)}`)
const ZONE: Zone = {
  'shop.test': [
    { type: 'A', data: '127.2.0.1' },
    { type: 'A', data: '127.2.0.2' },
    { type: 'MX', data: { preference: 5, exchange: 'mail.shop.test' } },
    { type: 'TXT', data: ['v=spf1 -all'] },
    { type: 'CAA', data: { flags: 0, tag: 'issue', value: 'ca.test' } },
  ],
  'six.test': [{ type: 'AAAA', data: '2001:4860:4860::8888' }],
  'www.shop.test': [{ type: 'CNAME', data: 'shop.test' }],
  'long.test': LONG_TEXTS.map((text) => ({ type: 'TXT', data: [text] })),
  'inside.test': [{ type: 'A', data: '10.0.0.1' }],
  'dns.test': [{ type: 'A', data: '127.0.0.1' }],
  'svc.test': [
    // Priority 1, the name itself, and the parameter `alpn` with `h2`.
    ...[64, 65].map((type) => ({ type: `UNKNOWN_${type}`, data: Buffer.from('00010000010003026832', 'hex') })),
    { type: 'UNKNOWN_65280', data: Buffer.from('abc') },
  ],
  'signed.test': [{ type: 'A', data: '127.4.0.1' }],
  ...Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [`n${i}.many.test`, [{ type: 'A', data: `127.3.0.${i + 1}` }]]),
  ),
}

/** It is not looked at here. */
const SIGNATURE = {
  ...{ name: 'signed.test', type: 'RRSIG', class: 'IN', ttl: 60 },
  data: {
    ...{ typeCovered: 'A', algorithm: 13, labels: 2, originalTTL: 60, expiration: 2_000_000_000, inception: 1 },
    ...{ keyTag: 1, signersName: 'test', signature: Buffer.alloc(64, 1) },
  },
}

let network: LoopbackNetwork
let port: number
let folder: string
const resolverOfExits = new ZoneServer(ZONE)
const local = new ZoneServer({ 'nas.corp.lan': [{ type: 'A', data: '10.9.9.9' }] })
const secure = new ZoneServer(ZONE)

/** What dig printed, without its comments. */
async function dig(...words: string[]): Promise<string[]> {
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=60', ...words])
  return stdout.split('\n').filter((line) => line !== '')
}

const short = (...words: string[]): Promise<string[]> => dig('+short', ...words)

/** The status in the header of the answer, and its flags. */
async function header(...words: string[]): Promise<{ status: string; flags: string[] }> {
  const text = (await dig(...words)).join('\n')
  const [, status = ''] = /status: (\w+)/.exec(text) ?? []
  const [, flags = ''] = /flags: ([a-z ]*);/.exec(text) ?? []
  return { status, flags: flags.split(' ') }
}

async function status(): Promise<Record<string, unknown>> {
  const { stdout } = await run(join(ROOT, 'deploy/bin/spn'), ['status', '--config', network.clientConfig])
  return (JSON.parse(stdout) as { dns: Record<string, unknown> }).dns
}

describe('the resolver of a client', () => {
  beforeAll(async () => {
    const identity = await throwAwayCertificate('dns.test')
    const plain = await resolverOfExits.startPlain()
    const [tlsPort, httpsPort] = [await secure.startTls(identity), await secure.startHttps(identity)]
    port = await freePort('127.0.0.1')
    const zonePort = await local.startPlain()
    folder = mkdtempSync(join(tmpdir(), 'spn-dns-test-'))
    const caFile = join(folder, 'ca.pem')
    writeFileSync(caFile, identity.cert)
    network = new LoopbackNetwork({
      ...{ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'debug' },
      hub: () => ({ dns: { servers: [`127.0.0.1:${plain}`] } }),
      client: {
        dns: {
          listen: `127.0.0.1:${port}`,
          upstreams: [
            { kind: 'exit' },
            { kind: 'tls', server: 'dns.test', address: '127.0.0.1', port: tlsPort },
            { kind: 'https', url: `https://dns.test:${httpsPort}/dns-query`, address: '127.0.0.1' },
          ],
          caFile,
          zones: { 'corp.lan': [`127.0.0.1:${zonePort}`] },
          hosts: { 'printer.lan': ['10.1.1.1'] },
        },
      },
    })
    await network.start()
  })

  afterAll(async () => {
    await network?.stop()
    await Promise.all([resolverOfExits.close(), secure.close(), local.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => {
    for (const server of [resolverOfExits, secure, local]) server.asked.length = 0
  })

  test.each(['+notcp', '+tcp'])('answers dig with what the resolver of an exit says: %s', async (way) => {
    expect((await short(way, 'shop.test', 'A')).toSorted()).toEqual(['127.2.0.1', '127.2.0.2'])
    expect(await short(way, 'shop.test', 'MX')).toEqual(['5 mail.shop.test.'])
    expect(await short(way, 'shop.test', 'TXT')).toEqual(['"v=spf1 -all"'])
    expect(await short(way, 'shop.test', 'CAA')).toEqual(['0 issue "ca.test"'])
    expect(await short(way, 'six.test', 'AAAA')).toEqual(['2001:4860:4860::8888'])
    expect(await short(way, 'www.shop.test', 'A')).toEqual(['shop.test.', '127.2.0.1', '127.2.0.2'])
    expect(await header(way, 'absent.test')).toMatchObject({ status: 'NXDOMAIN' })
    expect(await header(way, 'shop.test', 'AAAA')).toMatchObject({ status: 'NOERROR' })
  })

  test('cuts what does not fit into a packet, and gives it whole over TCP', async () => {
    expect(await header('+ignore', '+bufsize=512', 'long.test', 'TXT')).toMatchObject({
      status: 'NOERROR',
      flags: expect.arrayContaining(['tc']),
    })
    expect(await short('+bufsize=512', 'long.test', 'TXT')).toHaveLength(20)
    expect(await short('+noedns', 'long.test', 'TXT')).toHaveLength(20)
    expect(resolverOfExits.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp'])
  })

  test('asks once, and then answers by itself; TTLs tell nothing of the resolver of the exit', async () => {
    const first = await dig('+noall', '+answer', 'n1.many.test')
    expect(await dig('+noall', '+answer', 'N1.Many.test')).toHaveLength(1)
    expect(first[0]).toMatch(/^n1\.many\.test\.\s+300\s+IN\s+A\s+127\.3\.0\.2$/)
    expect(resolverOfExits.asked.map(({ name, type }) => `${name} ${type}`)).toEqual(['n1.many.test A'])
  })

  test.each(['+notcp', '+tcp'])('passes on what it does not know, and tells that there is none: %s', async (way) => {
    expect(await short(way, 'svc.test', 'HTTPS')).toEqual(['1 . alpn="h2"'])
    expect(await short(way, 'svc.test', 'SVCB')).toEqual(['1 . alpn="h2"'])
    expect(await short(way, 'svc.test', 'TYPE65280')).toEqual(['\\# 3 616263'])
    expect(await header(way, 'svc.test', 'TYPE65281')).toMatchObject({ status: 'NOERROR' })
    expect(await header(way, 'absent.test', 'HTTPS')).toMatchObject({ status: 'NXDOMAIN' })
  })

  test('gives signatures to who wants them, and to nobody else', async () => {
    resolverOfExits.alter = (answer, query) => {
      const opt = decode(query).additionals?.find(({ type }) => type === 'OPT')
      const packet = decode(answer)
      const wanted = ((opt?.flags ?? 0) & DNSSEC_OK) !== 0 && (packet.answers ?? []).length > 0
      return wanted ? encode({ ...packet, answers: [...(packet.answers ?? []), SIGNATURE] }) : answer
    }
    const types = async (...words: string[]) =>
      (await dig('+noall', '+answer', ...words, 'signed.test')).map((line) => line.split(/\s+/)[3])
    const seen = [await types('+dnssec'), await types(), await types('+dnssec', '+cdflag'), await types('+noedns')]
    resolverOfExits.alter = (answer) => answer
    expect(seen).toEqual([['A', 'RRSIG'], ['A'], ['A', 'RRSIG'], ['A']])
    expect((await dig('+dnssec', 'signed.test')).join()).toMatch(/EDNS: version: 0, flags: do;/)
  })

  test('says nothing of the asker, and believes no signatures it did not check', async () => {
    resolverOfExits.alter = (answer) => {
      answer[3] = (answer[3] as number) | 0x20
      return answer
    }
    const answered = await header('+subnet=192.0.2.0/24', '+cookie', '+adflag', 'n2.many.test')
    resolverOfExits.alter = (answer) => answer
    expect(answered.status).toBe('NOERROR')
    expect(answered.flags).not.toContain('ad')
    expect(resolverOfExits.asked.map(({ flags, options }) => [flags & 0x20, options])).toEqual([[0, []]])
  })

  test('answers many at once', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `n${i + 5}.many.test`)
    const answers = await Promise.all(names.map((name) => short(name)))
    expect(answers).toEqual(names.map((_, i) => [`127.3.0.${i + 6}`]))
  })

  test('keeps to itself what belongs to this computer or network', async () => {
    expect(await short('localhost')).toEqual(['127.0.0.1'])
    expect(await short('printer.lan')).toEqual(['10.1.1.1'])
    expect(await short('-x', '10.1.1.1')).toEqual(['printer.lan.'])
    expect(await short('nas.corp.lan')).toEqual(['10.9.9.9'])
    for (const name of ['fritz.lan', 'nas.local', 'abc.onion', 'router', 'use-application-dns.net', 'x.invalid']) {
      expect([name, (await header(name)).status]).toEqual([name, 'NXDOMAIN'])
    }
    expect((await header('-x', '192.168.1.1')).status).toBe('NXDOMAIN')
    expect((await header('_dns.resolver.arpa', 'SVCB')).status).toBe('NOERROR')
    expect(await short('shop.test', 'ANY')).toEqual(['"RFC8482" ""'])
    expect([resolverOfExits.asked, secure.asked]).toEqual([[], []])
    expect(local.asked.map(({ name }) => name)).toEqual(['nas.corp.lan'])
  })

  test('refuses what is no question of the internet, and answers from the world that lead inside', async () => {
    expect((await header('version.bind', 'CH', 'TXT')).status).toBe('NOTIMP')
    expect((await header('+opcode=notify', 'shop.test')).status).toBe('NOTIMP')
    expect((await header('inside.test')).status).toBe('REFUSED')
  })

  test('goes on by TLS, then by HTTPS, when the resolver of the exits is gone', async () => {
    await resolverOfExits.close()
    expect(await short('n3.many.test')).toEqual(['127.3.0.4'])
    expect(secure.asked.map(({ transport, bytes }) => [transport, bytes % 128])).toEqual([['tls', 0]])
    secure.alter = (answer, query) => (query[0] === 0 && query[1] === 0 ? answer : undefined)
    expect(await short('n4.many.test')).toEqual(['127.3.0.5'])
    expect(secure.asked.at(-1)).toMatchObject({ transport: 'https', name: 'n4.many.test' })
  })

  test('is shown by status, in numbers; no log has a name that was asked for', async () => {
    const numbers = await status()
    expect(Number(numbers.asked)).toBeGreaterThan(20)
    expect(Number(numbers.cached)).toBeGreaterThan(0)
    expect(JSON.stringify(numbers)).not.toMatch(/many|shop|printer|corp/)
    const logs = network.programs.map(({ output }) => output).join('\n')
    expect(logs).not.toMatch(/many\.test|shop\.test|printer|127\.3\.|127\.2\./)
  })

  test('says that it failed when the network is gone, and asks nobody else', async () => {
    for (const server of [resolverOfExits, secure, local]) server.asked.length = 0
    await Promise.all(network.programs.filter(({ name }) => name.startsWith('hub')).map((hub) => hub.kill()))
    expect((await header('n28.many.test')).status).toBe('SERVFAIL')
    expect(await short('n1.many.test')).toEqual(['127.3.0.2'])
    expect(secure.asked).toEqual([])
  })
})
