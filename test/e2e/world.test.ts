import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { delayMs } from '../../shared/geo/place.ts'
import { Program } from '../support/program.ts'
import { throwAwayCertificate } from '../support/throw-away-certificate.ts'
import { capture } from '../world/capture.ts'
import { CITIES } from '../world/cities.ts'
import { commandEnv } from '../world/command.ts'
import { serveAddress, serveEcho, serveHttp } from '../world/destinations.ts'
import { GIT_ENV, serveGit } from '../world/git-destination.ts'
import { remainsOf } from '../world/ownership.ts'
import { seededDigest } from '../world/seeded-data.ts'
import { serveSsh } from '../world/ssh-destination.ts'
import { describeWorld, groupIsMapped } from '../world/support.ts'
import { tcpStreams } from '../world/tcp-streams.ts'
import { TLS_1_3, X25519_MLKEM768 } from '../world/tls-hello.ts'
import { tlsSessions } from '../world/tls-sessions.ts'
import { World } from '../world/world.ts'

const MANY = Array.from({ length: 40 }, (_, i) => `198.18.200.${i + 1}`)
const HOSTS = [
  { name: 'berlin', ...CITIES.berlin },
  { name: 'newyork', ...CITIES.newYork },
  { name: 'tokyo', ...CITIES.tokyo, names: 'hosts-file' },
  { name: 'capetown', ...CITIES.capeTown, ipv4: '198.19.7.80', ipv6: '2001:db8:cafe::80' },
  { name: 'sydney', ...CITIES.sydney },
] as const

/** Sends the lines of its input to a TCP port, closes its side, and prints what comes until the other side closes. */
const TCP_CLIENT = `
const socket = require('node:net').connect({ port: +process.argv[2], host: process.argv[1] })
process.stdin.pipe(socket).pipe(process.stdout)
`
/** Sends one datagram again and again until one comes back, and prints that. */
const UDP_CLIENT = `
const [address, port, text] = process.argv.slice(1)
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
const timer = setInterval(() => socket.send(text, +port, address), 500)
socket.once('message', (bytes) => { process.stdout.write(bytes); clearInterval(timer); socket.close() })
socket.send(text, +port, address)
`

const TLS_SERVER = `
const { readFileSync } = require('node:fs')
const options = { ...JSON.parse(readFileSync(process.argv[1])), ecdhCurve: 'X25519MLKEM768' }
require('node:tls').createServer(options, (s) => s.end('a secret')).listen(443, '::', () => console.log('ready'))
`
const TLS_CLIENT = `
const options = { ecdhCurve: 'X25519MLKEM768', minVersion: 'TLSv1.3', rejectUnauthorized: false }
require('node:tls').connect({ host: process.argv[1], port: 443, ...options }).pipe(process.stdout)
`

describeWorld(describe, 'a world of hosts in five cities, with delays', () => {
  let world: World
  beforeAll(async () => {
    world = await World.create({ hosts: HOSTS, delays: true, dns: { 'shop.example': ['tokyo'], 'many.example': MANY } })
    await Promise.all(world.hosts.map((host) => serveHttp(host)))
  })
  afterAll(() => world?.close())

  const node = (from: string, code: string, args: readonly string[], input = ''): Promise<string> =>
    world.host(from).mustRun(process.execPath, ['-e', code, ...args], { input })
  const curl = (from: string, ...args: string[]) => world.host(from).run('curl', ['-sS', '-m', '60', ...args])

  test('every host reaches every other by IPv4 and IPv6, and is seen with its own address', async () => {
    for (const from of world.hosts) {
      const others = world.hosts.filter((host) => host !== from)
      const seen = await Promise.all(
        others.flatMap((to) => [to.ipv4, `[${to.ipv6}]`]).map((to) => curl(from.name, `http://${to}/address`)),
      )
      expect(seen.map(({ stdout }) => stdout)).toEqual(others.flatMap(() => [`${from.ipv4}\n`, `${from.ipv6}\n`]))
    }
  })

  test('a round trip takes twice the delay of the distance', async () => {
    const [berlin, sydney] = [world.host('berlin'), world.host('sydney')]
    const wantedMs = 2 * delayMs(berlin.place, sydney.place)
    for (const address of [sydney.ipv4, `[${sydney.ipv6}]`]) {
      const times: number[] = []
      for (let i = 0; i < 5 || (i < 50 && Math.min(...times) >= 1.5 * wantedMs); i++) {
        const { stdout } = await curl('berlin', '-o', '/dev/null', '-w', '%{time_connect}', `http://${address}/address`)
        times.push(Number(stdout) * 1000)
      }
      // A machine that is busy adds to the slower ones, never takes away.
      const fastest = Math.min(...times)
      expect(fastest).toBeGreaterThan(wantedMs - 1.5)
      expect(fastest).toBeLessThan(1.5 * wantedMs)
    }
    expect(await world.delayStats()).toMatchObject({ refused: 0 })
  })

  test('names come from the DNS server of the world, also by TCP, and no others exist', async () => {
    expect(await curl('berlin', '-4', 'http://shop.example/address')).toMatchObject({ stdout: '198.18.1.2\n' })
    expect(await curl('berlin', '-6', 'http://capetown.test/address')).toMatchObject({ stdout: '2001:db8:1::2\n' })
    expect(await curl('berlin', 'http://example.com/')).toMatchObject({ code: 6 })
    const found = await world.host('newyork').mustRun('getent', ['ahostsv4', 'many.example'])
    expect(new Set(found.match(/^[\d.]+/gm))).toEqual(new Set(MANY))
    const asked = world.queries.filter(({ name }) => name === 'many.example')
    expect(new Set(asked.map(({ transport }) => transport))).toEqual(new Set(['udp', 'tcp']))
    expect(new Set(asked.map(({ from }) => from))).toEqual(new Set(['198.18.2.2']))
  })

  test('a host with a hosts file knows all names without asking', async () => {
    expect(await curl('tokyo', '-4', 'http://capetown.test/address')).toMatchObject({ stdout: '198.18.3.2\n' })
    expect(await curl('tokyo', '-6', 'http://shop.example/address')).toMatchObject({ stdout: '2001:db8:3::2\n' })
    expect(world.queries.filter(({ from }) => from === world.host('tokyo').ipv4)).toEqual([])
  })

  test('the web server gives seeded data and echoes', async () => {
    const { bytes } = await curl('berlin', 'http://newyork.test/data?bytes=3000000&seed=7')
    expect(digest(bytes)).toBe(seededDigest('7', 3_000_000))
    expect(await curl('berlin', '-d', 'hello', 'http://newyork.test/echo')).toMatchObject({ stdout: 'hello' })
  })

  test('the echo server echoes to the end of what a half-closed connection sends, and datagrams', async () => {
    const { port } = await serveEcho(world.host('newyork'))
    const text = 'a line of text\n'.repeat(10_000)
    for (const address of [world.host('newyork').ipv4, world.host('newyork').ipv6]) {
      expect(await node('berlin', TCP_CLIENT, [address, `${port}`], text)).toBe(text)
      expect(await node('berlin', UDP_CLIENT, [address, `${port}`, 'a datagram'])).toBe('a datagram')
    }
  })

  test('the address server tells callers on TCP and UDP who they are', async () => {
    const { port, name } = await serveAddress(world.host('newyork'))
    expect(await node('berlin', TCP_CLIENT, [name, `${port}`])).toMatch(/^(198\.18\.1\.2|2001:db8:1::2) \d+\n$/)
    expect(await node('berlin', UDP_CLIENT, ['198.18.2.2', `${port}`, '?'])).toMatch(/^198\.18\.1\.2 \d+\n$/)
    expect(await node('berlin', UDP_CLIENT, ['2001:db8:2::2', `${port}`, '?'])).toMatch(/^2001:db8:1::2 \d+\n$/)
  })

  test('a closed port refuses', async () => {
    const { code, stderr } = await curl('berlin', 'http://newyork.test:81/')
    expect(code).toBe(7)
    expect(stderr).toMatch(/refused|Couldn't connect/)
  })

  test('git clones from the git server', async () => {
    const { url, commit } = await serveGit(world, world.host('capetown'))
    const copy = join(world.folder, 'copy')
    const git = (...args: string[]) => world.host('berlin').mustRun('git', args, { env: GIT_ENV })
    await git('clone', '--quiet', url, copy)
    expect(await git('-C', copy, 'rev-parse', 'HEAD')).toBe(`${commit}\n`)
    const data = readFileSync(join(copy, 'data'))
    expect(digest(data)).toBe(seededDigest('git', data.length))
  })

  test('ssh runs commands on the ssh server, and hands them their input', async () => {
    const { args } = await serveSsh(world, world.host('capetown'))
    const input = 'some input'
    expect(await world.host('berlin').mustRun('ssh', [...args, 'echo "$SSH_CONNECTION"; cat'], { input })).toMatch(
      /^(198\.18\.1\.2|2001:db8:1::2) \d+ (198\.19\.7\.80|2001:db8:cafe::80) 22\nsome input$/,
    )
  })

  test.each(['host', 'router'] as const)(
    'a capture at the end of the %s holds all that crossed the wire',
    async (end) => {
      const host = world.host('newyork')
      const running = await capture(world, host, end)
      const replies = [
        await curl('berlin', `http://${host.ipv4}/data?bytes=2000000&seed=wire`),
        await curl('berlin', `http://[${host.ipv6}]/data?bytes=2000000&seed=wire`),
      ]
      await curl('sydney', `http://${world.host('capetown').ipv4}/address`)
      const streams = tcpStreams(await running.stop()).filter(({ bytes }) => bytes.length > 0)
      const request = /^GET \/data\?bytes=2000000&seed=wire HTTP\/1\.1\r\n/
      const seen = streams.map(({ source, destination, bytes, beyondGap }) => {
        const up = request.test(Buffer.from(bytes).toString('latin1', 0, 100))
        return { source, destination, beyondGap, what: up ? 'the request' : digest(bytes.subarray(-2_000_000)) }
      })
      const berlin = world.host('berlin')
      expect(seen).toEqual([
        { source: berlin.ipv4, destination: host.ipv4, beyondGap: 0, what: 'the request' },
        { source: host.ipv4, destination: berlin.ipv4, beyondGap: 0, what: digest(replies[0]?.bytes) },
        { source: berlin.ipv6, destination: host.ipv6, beyondGap: 0, what: 'the request' },
        { source: host.ipv6, destination: berlin.ipv6, beyondGap: 0, what: digest(replies[1]?.bytes) },
      ])
    },
  )

  test('a capture proves that TLS with X25519MLKEM768 and nothing else crossed the wire', async () => {
    const certificate = join(world.folder, 'certificate.json')
    writeFileSync(certificate, JSON.stringify(await throwAwayCertificate('sydney.test')))
    const [berlin, sydney] = [world.host('berlin'), world.host('sydney')]
    await sydney.spawn(process.execPath, ['-e', TLS_SERVER, certificate]).line(/^ready$/)
    const running = await capture(world, berlin)
    expect(await node('berlin', TLS_CLIENT, [sydney.ipv6])).toBe('a secret')
    const packets = await running.stop()
    const [session, ...others] = tlsSessions(packets)
    expect(others).toEqual([])
    expect(session).toMatchObject({
      client: { source: berlin.ipv6, destination: sydney.ipv6, beyondGap: 0 },
      clientHello: { versions: [TLS_1_3], groups: [X25519_MLKEM768], serverName: undefined, alpn: undefined },
      serverHello: { version: TLS_1_3, group: X25519_MLKEM768 },
      broken: false,
    })
    expect(packets.some(({ ip }) => Buffer.from(ip?.payload ?? []).includes('secret'))).toBe(false)
  })

  test('no way leads out, and what is nowhere is unreachable at once', async () => {
    for (const host of [world.internet, ...world.hosts]) {
      const links = (await host.mustRun('ip', ['-o', 'link'])).matchAll(/^\d+: ([^:@]+)/gm)
      const ends = world.hosts.map(({ name }) => `to-${name}`)
      const wanted = host === world.internet ? ['lo', ...ends] : ['lo', 'eth0']
      expect([...links].map(([, name]) => name).sort()).toEqual(wanted.sort())
    }
    for (const address of ['192.0.2.1', '2001:db8:ffff::1']) {
      expect(await world.internet.run('ip', ['route', 'get', address])).toMatchObject({ code: 2 })
      // Without an answer it would take three seconds each time.
      let fastestMs = Number.POSITIVE_INFINITY
      for (let tries = 0; tries < 10 && fastestMs >= 2_000; tries++) {
        const startMs = performance.now()
        expect(await curl('berlin', `http://${address.includes(':') ? `[${address}]` : address}/`)).toMatchObject({
          code: 7,
        })
        fastestMs = Math.min(fastestMs, performance.now() - startMs)
      }
      expect(fastestMs).toBeLessThan(2_000)
    }
  })

  test('programs run with the group they are given, if the system has it', async () => {
    const asked = world.host('berlin').run('sh', ['-c', 'id -u; id -G'], { uid: 65_533, gid: 7117 })
    if (groupIsMapped(7117)) expect(await asked).toMatchObject({ code: 0, stdout: '65533\n7117\n' })
    else await expect(asked).rejects.toThrow('this user namespace does not map it')
  })

  test('a program may be started by way of another outside of its namespace', async () => {
    const before = ['sh', '-c', 'OUTSIDE="$(readlink /proc/self/ns/net)" exec "$@"', 'sh']
    const script = 'echo "$OUTSIDE"; readlink /proc/self/ns/net'
    const [outside, inside] = (await world.host('berlin').mustRun('sh', ['-c', script], { before })).split('\n')
    expect(outside).toBe(readlinkSync('/proc/self/ns/net'))
    expect(inside).not.toBe(outside)
  })

  test('a host without its wire reaches nobody, and everybody when it has it again', async () => {
    const sydney = world.host('sydney')
    await sydney.unplug()
    expect((await curl('berlin', `http://${sydney.ipv4}/address`)).code).toBe(7)
    await sydney.plugIn()
    for (const address of [sydney.ipv4, `[${sydney.ipv6}]`]) {
      expect((await curl('berlin', '--retry', '5', '--retry-connrefused', `http://${address}/address`)).code).toBe(0)
    }
  })
})

describeWorld(describe, 'the line of a host', () => {
  let world: World
  beforeAll(async () => {
    world = await World.create({
      hosts: [
        { name: 'berlin', ...CITIES.berlin },
        { name: 'slow', ...CITIES.dublin, line: { megabitPerSecond: 16 } },
        { name: 'lossy', ...CITIES.cairo, line: { lossRatio: 0.5 } },
      ],
    })
  })
  afterAll(() => world?.close())

  test('has its rate in both directions', async () => {
    const [berlin, slow] = [world.host('berlin'), world.host('slow')]
    await Promise.all([serveHttp(berlin), serveHttp(slow)])
    for (const [from, to] of [[berlin, slow] as const, [slow, berlin] as const]) {
      const startMs = performance.now()
      await to.mustRun('curl', ['-sS', '-o', '/dev/null', `http://${from.ipv4}/data?bytes=1000000`])
      // 16 Mbit/s are 2 MB/s; a burst of 20 kB is free.
      expect(performance.now() - startMs).toBeGreaterThan(480)
    }
  })

  test('loses its share of packets in both directions', async () => {
    const { port } = await serveEcho(world.host('lossy'))
    const count = `
      const socket = require('node:dgram').createSocket('udp4')
      let [sent, back, end] = [0, 0]
      const wait = () => {
        clearTimeout(end)
        end = setTimeout(() => { console.log(back); socket.close() }, 5000)
      }
      socket.on('message', () => { back++; if (sent > 400) wait() })
      const timer = setInterval(() => {
        if (sent++ < 400) return socket.send('x', +process.argv[2], process.argv[1])
        clearInterval(timer)
        wait()
      }, 1)
    `
    const address = world.host('lossy').ipv4
    const back = Number(await world.host('berlin').mustRun(process.execPath, ['-e', count, address, `${port}`]))
    // A quarter of 400 comes back; these bounds are five standard deviations away.
    expect(back).toBeGreaterThan(55)
    expect(back).toBeLessThan(145)
  })
})

describeWorld(describe, 'what is left of a world', () => {
  const hosts = [{ name: 'berlin', ...CITIES.berlin }]

  test('is nothing when it is closed, whatever runs in it', async () => {
    const world = await World.create({ hosts, delays: true })
    const stubborn = world.host('berlin').spawn('sh', ['-c', 'trap "" TERM; setsid sh -c "echo $$; sleep 600" & wait'])
    const [pid = ''] = await stubborn.line(/^\d+$/)
    expect(await remainsOf(world.id)).toHaveLength(5)
    expect(isAlive(pid)).toBe(true)
    await Promise.all([world.close(), world.close()])
    expect(isAlive(pid)).toBe(false)
    expect(await remainsOf(world.id)).toEqual([])
    await world.close()
  })

  test('is nothing when its owner waits for the end and then ends itself, with status 0, also where that takes long', async () => {
    const code = `
      import { CITIES } from './test/world/cities.ts'
      import { World } from './test/world/world.ts'
      const world = await World.create({ hosts: [{ name: 'berlin', ...CITIES.berlin }] })
      console.log(world.id)
      await world.close()
      console.log('closed')`
    const path = mkdtempSync(join(tmpdir(), 'spn-slow-ip-'))
    const slowIp = `#!/bin/sh\n[ "$2" = list ] && sleep 0.5\nPATH=\${PATH#*:}\nexec ip "$@"\n`
    writeFileSync(join(path, 'ip'), slowIp, { mode: 0o755 })
    const command = ['node', '--no-warnings', '--input-type=module', '--eval', code]
    const owner = new Program('owner', command, { PATH: `${path}:${process.env.PATH}` })
    await owner.line('closed')
    rmSync(path, { recursive: true })
    expect(await owner.exit()).toBe(0)
    expect(await remainsOf(await owner.line('spnw'))).toEqual([])
  })

  test('is nothing when it could not be made', async () => {
    const wrong = { name: 'tokyo', ...CITIES.tokyo, line: { lossRatio: 2 } }
    await expect(World.create({ hosts: [...hosts, wrong] })).rejects.toThrow('2 is not a share of packets')
    expect(ownNamespaces()).toEqual([])
  })

  test('is removed when its owner is killed', async () => {
    const { owner, id, pid } = await abandonedWorld()
    owner.kill('SIGKILL')
    expect(await isGone(id, pid)).toBe(true)
  })

  test('is removed by the next world when nobody else could', async () => {
    const { owner, id, pid } = await abandonedWorld()
    for (const child of childrenOf(owner.pid ?? 0)) if (nameOf(child) === 'sh') process.kill(child, 'SIGKILL')
    owner.kill('SIGKILL')
    await sleep(300)
    expect(await remainsOf(id)).not.toEqual([])
    const world = await World.create({ hosts })
    await world.close()
    expect(await remainsOf(id)).toEqual([])
    expect(isAlive(pid)).toBe(false)
  })
})

function digest(bytes: Uint8Array = new Uint8Array(0)): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function abandonedWorld(): Promise<{ owner: ChildProcess; id: string; pid: string }> {
  const script = fileURLToPath(new URL('../world/abandoned-world.ts', import.meta.url))
  const owner = spawn(process.execPath, ['--no-warnings', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [id = '', pid = ''] = await new Promise<string[]>((resolve) => {
    createInterface(owner.stdout).once('line', (line) => resolve(line.split(' ')))
  })
  return { owner, id, pid }
}

/** Waits up to 30 s. */
async function isGone(id: string, pid: string): Promise<boolean> {
  const giveUpAt = performance.now() + 30_000
  while (performance.now() < giveUpAt) {
    if ((await remainsOf(id)).length === 0 && !isAlive(pid)) return true
    await sleep(50)
  }
  return false
}

function ownNamespaces(): string[] {
  const names = execFileSync('ip', ['netns', 'list'], { env: commandEnv(), encoding: 'utf8', stdio: 'pipe' }).split(
    '\n',
  )
  return names.filter((name) => name.startsWith(`spnw${process.pid}.`))
}

function childrenOf(pid: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((child) => statOf(child)[1] === `${pid}`).map(Number)
}

/** A process that has ended stays in the table until its parent asks for it. */
function isAlive(pid: string): boolean {
  const [state = 'Z'] = statOf(pid)
  return state !== 'Z'
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}

/** The fields of /proc/PID/stat behind the name: state, parent, ... */
function statOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
