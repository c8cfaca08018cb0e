import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freePort } from '../net/free-port.ts'
import { LoopbackNetwork, type LoopbackReady } from '../net/loopback-network.ts'
import { writeJson } from '../net/network-config.ts'
import { Program, ROOT } from '../support/program.ts'

const NODE = [process.execPath, '--no-warnings']

let network: LoopbackNetwork
let ready: LoopbackReady
let folder: string
const started: Program[] = []

/** A program that is ended with the test at the latest. */
function start(name: string, command: readonly string[]): Program {
  const program = new Program(name, command)
  started.push(program)
  return program
}

/** Runs a program that is expected to end by itself. */
function run(...words: string[]): { status: number | null; text: string } {
  const [program = '', ...args] = [...NODE, ...words]
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', timeout: 120_000 })
  return { status, text: stdout + stderr }
}

function config(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(network.folder, name), 'utf8')) as Record<string, unknown>
}

function expectNoTrace(text: string): void {
  expect(text).not.toMatch(/^\s+at .*:\d+:\d+/m)
  expect(text).not.toMatch(/node:internal|ERR_/)
}

describe('bad input', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'spn-bad-'))
    network = new LoopbackNetwork({ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' })
    ready = await network.start()
  })

  afterAll(async () => {
    await Promise.all(started.map((program) => program.kill()))
    await network?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each([
    ['client/main.ts', ['run']],
    ['hub/main.ts', []],
    ['directory/main.ts', ['run']],
  ])('%s tells all mistakes of its configuration at once, and ends with status 2', (program, command) => {
    const file = writeJson(folder, 'broken.json', {
      networkFile: 7,
      listen: program.startsWith('directory') ? 'nowhere' : ['nowhere'],
      socks: 'localhost',
      roles: { exit: true },
      hops: 9,
      epochSeconds: 'often',
      logLevel: 'loud',
      colour: 'green',
    })
    const { status, text } = run(program, ...command, '--config', file)
    expect(status).toBe(2)
    expectNoTrace(text)
    const lines = text.trim().split('\n')
    expect(lines.length).toBeGreaterThanOrEqual(5)
    expect(text).toMatch(/networkFile: expected string, received number/)
    expect(text).toMatch(/stateDir: /)
    expect(text).toMatch(/unknown option "colour"/)
    expect(text).toMatch(/logLevel: /)
  })

  test.each([
    [['client/main.ts'], /expected a command/],
    [['client/main.ts', 'fly'], /expected a command/],
    [['client/main.ts', 'run'], /--config: expected a value/],
    [['hub/main.ts', '--config'], /config/],
    [['hub/main.ts', '--config', '/no/such/file'], /there is no such file/],
    [['hub/main.ts', '--speed', 'high'], /speed/],
    [['directory/main.ts', 'init', '--state-dir', '/tmp/x'], /--network-file: expected a value/],
  ])('%j is told what is expected', (words, wanted) => {
    const { status, text } = run(...words)
    expect(status).toBe(2)
    expect(text).toMatch(wanted)
    expectNoTrace(text)
  })

  test('a configuration that is not JSON, and a network file that is none', () => {
    const file = join(folder, 'text.json')
    writeFileSync(file, '{ "networkFile": ')
    expect(run('hub/main.ts', '--config', file).text).toMatch(/it is not JSON/)
    const networkFile = writeJson(folder, 'net.json', { name: 'x', id: 'abc', directories: [], threshold: 3 })
    const hub = writeJson(folder, 'hub.json', { networkFile, stateDir: folder, listen: ['127.0.0.1:1'] })
    const { status, text } = run('hub/main.ts', '--config', hub)
    expect(status).toBe(2)
    expect(text).toMatch(/id: expected 64 lower-case hexadecimal digits/)
    expect(text).toMatch(/directories: /)
  })

  test('a port in use is one clear sentence, in every program', async () => {
    const { address, port } = ready.hubs[0]!
    const hub = writeJson(folder, 'taken.json', {
      ...config('hub0.json'),
      stateDir: join(folder, 'taken'),
      listen: [`${address}:${port}`],
    })
    const said = run('hub/main.ts', '--config', hub)
    expect(said).toEqual({
      status: 1,
      text: expect.stringMatching(/^spn-hub: the address is already in use \(address: [^)]+\)\n$/),
    })
    const directory = run('directory/main.ts', 'run', '--config', join(network.folder, 'directory.json'))
    expect(directory.text).toMatch(
      /^(\{.*\}\n)*spn-directory: the address is already in use \(address: 127.0.0.1 port \d+\)\n$/,
    )
    const client = writeJson(folder, 'taken-client.json', {
      ...config('client.json'),
      stateDir: join(folder, 'client2'),
    })
    expect(run('client/main.ts', 'run', '--config', client).text).toMatch(
      /^spn: the address is already in use \(address: 127.0.0.1 port \d+\)\n$/,
    )
    const again = run('client/main.ts', 'run', '--config', network.clientConfig)
    expect(again.text).toMatch(/^spn: the address is already in use \(address: .*control\.sock\)\n$/)
  })

  test('a damaged state file is named, and left as it is', () => {
    const stateDir = join(folder, 'damaged')
    const hub = writeJson(folder, 'damaged.json', { ...config('hub0.json'), stateDir, listen: ['127.0.0.1:39999'] })
    writeJson(stateDir, 'identity.key', 'nonsense')
    const before = readFileSync(join(stateDir, 'identity.key'))
    const { status, text } = run('hub/main.ts', '--config', hub)
    expect(status).toBe(1)
    expect(text).toBe(`spn-hub: a state file is damaged (file: ${join(stateDir, 'identity.key')})\n`)
    expect(readFileSync(join(stateDir, 'identity.key'))).toEqual(before)
  })

  test('a state file that can not be written is named, with the error of the system and what to do, in every program', () => {
    const stateDir = join(folder, 'unwritable')
    for (const name of ['identity.key.new', 'directory.key.new', 'control.sock']) {
      mkdirSync(join(stateDir, name), { recursive: true })
    }
    const hub = writeJson(folder, 'unwritable.json', { ...config('hub0.json'), stateDir })
    const client = writeJson(folder, 'unwritable-client.json', { ...config('client.json'), stateDir })
    const flags = ['--state-dir', stateDir, '--network-file', join(folder, 'unwritable-network.json')]
    const names = ['--network', 'x', '--name', 'x', '--url', 'http://192.0.2.1']
    for (const [program, file, ...words] of [
      ['spn-hub', 'identity.key', 'hub/main.ts', '--config', hub],
      ['spn', 'control.sock', 'client/main.ts', 'run', '--config', client],
      ['spn-directory', 'directory.key', 'directory/main.ts', 'init', ...flags, ...names],
    ]) {
      const place = join(stateDir, file ?? '')
      const sentence = `^${program}: a state file can not be written \\(file: ${place}, errno: \\w+, repair: [^)]+\\)\n$`
      expect(run(...words)).toEqual({ status: 1, text: expect.stringMatching(sentence) })
    }
  })

  test('a state folder on a full disk is named in the same way', () => {
    const stateDir = join(folder, 'full')
    const hub = writeJson(folder, 'full.json', { ...config('hub0.json'), stateDir })
    const full = ['-c', 'ulimit -f 0; exec "$0" "$@"', ...NODE, 'hub/main.ts', '--config', hub]
    const { status, stderr } = spawnSync('bash', full, { cwd: ROOT, encoding: 'utf8', timeout: 120_000 })
    expect([status, stderr]).toEqual([
      1,
      `spn-hub: a state file can not be written (file: ${join(stateDir, 'identity.key')}, errno: EFBIG, repair: raise the limit of file sizes)\n`,
    ])
  })

  test('a directory that is founded with a host name is told that clients may not find it', () => {
    const init = (name: string, url: string): string => {
      const flags = ['--state-dir', join(folder, name), '--network-file', join(folder, `${name}.network.json`)]
      return run('directory/main.ts', 'init', ...flags, '--network', 'x', '--name', 'x', '--url', url).text
    }
    expect(init('named', 'http://directory.example')).toMatch(/spn-directory: --url holds a host name/)
    expect(init('numbered', 'http://192.0.2.1')).not.toMatch(/host name/)
  })

  test('a directory without a key, and an init over an existing one', () => {
    const file = writeJson(folder, 'keyless.json', { ...config('directory.json'), stateDir: join(folder, 'keyless') })
    expect(run('directory/main.ts', 'run', '--config', file).text).toMatch(/spn-directory init/)
    const stateDir = String(config('directory.json').stateDir)
    const key = readFileSync(join(stateDir, 'directory.key'))
    const words = [
      '--network-file',
      join(folder, 'n.json'),
      '--network',
      'x',
      '--name',
      'x',
      '--url',
      'http://127.0.0.1',
    ]
    const { status, text } = run('directory/main.ts', 'init', '--state-dir', stateDir, ...words)
    expect(status).toBe(2)
    expect(text).toMatch(/holds a key already/)
    expect(readFileSync(join(stateDir, 'directory.key'))).toEqual(key)
    expect(existsSync(join(folder, 'n.json'))).toBe(false)
  })

  test('a client of another network, and one that is not told of a test network, refuse the map and say why', async () => {
    const file = config('network.json')
    const plain = writeJson(folder, 'plain.json', { ...file, testNetwork: false })
    await expectMapRefused(plain, 'map-scope')
    const directories = file.directories as { key: string }[]
    const strangers = writeJson(folder, 'strangers.json', {
      ...file,
      directories: [{ ...directories[0], key: 'ab'.repeat(32) }],
    })
    await expectMapRefused(strangers, /signatures-too-few|signature-invalid|directory-unreachable/)
  })

  test('a map that was tampered with on its way is refused, and the kept one stays', async () => {
    const proxy = await tamperingProxy(ready.directory.port)
    try {
      const file = config('network.json')
      const directories = file.directories as { url: string }[]
      const networkFile = writeJson(folder, 'proxied.json', {
        ...file,
        directories: [{ ...directories[0], url: `http://127.0.0.1:${proxy.port}` }],
      })
      await expectMapRefused(networkFile, /signature-invalid|encoding-invalid/)
      const stateDir = join(folder, 'kept')
      writeJson(stateDir, 'x', '')
      copyFileSync(join(String(config('client.json').stateDir), 'hub-map'), join(stateDir, 'hub-map'))
      const client = await startClient(networkFile, stateDir)
      await client.line('home link up')
      await client.stop()
    } finally {
      proxy.close()
    }
  })

  test('a damaged kept map is said and replaced, nothing is lost by it', async () => {
    const stateDir = join(folder, 'bad-map')
    writeJson(stateDir, 'hub-map', 'nonsense')
    const client = await startClient(String(config('client.json').networkFile), stateDir)
    await client.line('kept hub map not used')
    await client.line('home link up')
    await client.stop()
  })

  test('an address at which another hub answers is not taken for the home hub', async () => {
    const [first] = ready.hubs
    const victim = network.programs.find(({ name }) => name === 'hub0')!
    await victim.kill() // without a farewell, so that it stays in the map
    // The other identity of the same network, at the first one's address.
    const impostor = start('impostor', [
      ...['node', '--no-warnings', 'hub/main.ts', '--config'],
      writeJson(folder, 'impostor.json', {
        ...config('hub1.json'),
        stateDir: join(folder, 'impostor'),
        listen: [`${first!.address}:${first!.port}`],
      }),
    ])
    await impostor.line('descriptor published')
    const stateDir = join(folder, 'homeless')
    // The first hub is the only home that this client remembers.
    const id = hubId('hub0')
    writeJson(stateDir, 'x', '')
    writeFileSync(join(stateDir, 'homes'), Buffer.from(id, 'hex'))
    const client = await startClient(String(config('client.json').networkFile), stateDir)
    await client.line('peer-identity')
    await client.line('home link up') // with another hub
    expect(client.output).not.toMatch(new RegExp(`"hub":"${id}","message":"home link up"`))
    await client.stop()
    await impostor.stop()
  })

  test('programs do not start where a library would write keys to a file', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--no-warnings', 'hub/main.ts', '--config', join(network.folder, 'hub0.json')],
      {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, DUMP_SESSION_KEYS: '1' },
        timeout: 120_000,
      },
    )
    expect(status).toBe(2)
    expect(stderr).toMatch(/DUMP_SESSION_KEYS/)
  })
})

function hubId(name: string): string {
  const { output } = network.programs.find((program) => program.name === name)!
  return /"id":"([0-9a-f]{64})"/.exec(output)?.[1] ?? ''
}

async function startClient(networkFile: string, stateDir: string): Promise<Program> {
  const socks = `127.0.0.1:${await freePort('127.0.0.1')}`
  const file = writeJson(folder, `client-${socks.split(':')[1]}.json`, {
    ...config('client.json'),
    networkFile,
    stateDir,
    socks,
  })
  return start('client', ['node', '--no-warnings', 'client/main.ts', 'run', '--config', file])
}

/** A client that says this fault, never gets a home link, and refuses connections instead of making them directly. */
async function expectMapRefused(networkFile: string, fault: string | RegExp): Promise<void> {
  const stateDir = mkdtempSync(join(folder, 'refused-'))
  const client = await startClient(networkFile, stateDir)
  await client.line('hub map not fetched')
  const line = await client.line('"fault"')
  expect(line).toMatch(fault)
  expect(client.output).not.toContain('home link up')
  expect(existsSync(join(stateDir, 'hub-map'))).toBe(false)
  await client.stop()
}

/** A proxy in front of the directory that flips one bit in the middle of every map. */
async function tamperingProxy(port: number): Promise<{ port: number; close: () => void }> {
  const server = http.createServer((request, response) => {
    const inner = http.request({ host: '127.0.0.1', port, path: request.url, method: request.method }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => {
        const body = Buffer.concat(chunks)
        if (request.url?.startsWith('/v1/maps/') && body.length > 0) body[body.length >> 1]! ^= 1
        response.writeHead(answer.statusCode ?? 500).end(body)
      })
    })
    request.pipe(inner)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as net.AddressInfo).port, close: () => void server.close() }
}
