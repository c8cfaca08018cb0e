import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { freePort } from '../net/free-port.ts'
import type { LoopbackReady } from '../net/loopback-network.ts'
import { Program } from '../support/program.ts'
import { until } from '../support/until.ts'

let folder: string
let program: Program | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-net-test-'))
})
afterEach(async () => {
  await program?.kill()
  for (const pid of processesNaming(folder)) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true })
})

/** The command, which makes its temporary files in the test's own folder. */
function start(command: readonly string[], ...flags: string[]): Program {
  program = new Program('net', [...command, '--hubs', '3', ...flags], { TMPDIR: folder })
  return program
}

const NET = ['node', '--no-warnings', 'test/net/net.ts']

/** Processes in whose arguments this text stands. */
function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && argumentsOf(pid).includes(text))
}

function argumentsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function isThere(name: string): boolean {
  return readdirSync(folder).some((network) => existsSync(join(folder, network, name)))
}

function expectNothingLeft(): void {
  expect(processesNaming(folder)).toEqual([])
  expect(readdirSync(folder).filter((name) => name !== 'node-compile-cache')).toEqual([]) // which is npm's own
}

describe('npm run net', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('ends with all that it started by %s to npm', async (signal) => {
    const npm = start(['npm', 'run', 'net', '--'])
    const ready = JSON.parse(await npm.line('"directory"', 60_000)) as LoopbackReady
    expect(processesNaming(folder)).toContain(ready.client.pid)
    npm.child.kill(signal)
    await npm.exit()
    await until(() => processesNaming(folder).length === 0)
    expectNothingLeft()
  })
})

describe('a network on loopback', () => {
  test.each(['network.json', 'directory.json', 'hub0.json', 'client.json'])(
    'leaves nothing when ctrl-C comes while it starts, as soon as there is %s',
    async (file) => {
      const network = start(NET)
      await until(() => isThere(file), file)
      network.child.kill('SIGINT')
      expect(await network.exit()).toBe(0)
      expect(network.output).toBe('')
      expectNothingLeft()
    },
  )

  test('says in one sentence that the port of the proxy is taken', async () => {
    const port = await freePort('127.0.0.1')
    const other = net.createServer()
    await new Promise<void>((resolve) => other.listen({ host: '127.0.0.1', port }, resolve))
    const network = start(NET, '--socks', `127.0.0.1:${port}`)
    await network.line(`spn: the address is already in use (address: 127.0.0.1 port ${port})`)
    expect(await network.exit()).toBe(1)
    expect(network.output.split('\n')).toHaveLength(1)
    expectNothingLeft()
    other.close()
  })

  test.each([
    ['192.0.2.1:1080', 'spn: this computer has no such address (address: 192.0.2.1 port 1080)'],
    ['192.0.2.1:0', 'net: this computer has no such address (address: 192.0.2.1)'],
  ])('says in one sentence that %s is no address for its proxy', async (socks, sentence) => {
    const network = start(NET, '--socks', socks)
    await network.line(sentence)
    expect(await network.exit()).toBe(1)
    expect(network.output.split('\n')).toHaveLength(1)
    expectNothingLeft()
  })
})
