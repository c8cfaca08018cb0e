import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Fault } from '../../../shared/base/fault.ts'
import { askDaemon } from '../../../shared/control/control-client.ts'
import { ControlServer } from '../../../shared/control/control-server.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { until } from '../../support/until.ts'

const SLOW_MS = 300

let folder: string
let file: string
let commands: string[]
let server: ControlServer
const servers: ControlServer[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spn-control-'))
  file = join(folder, 'state', 'control.sock')
  commands = []
  server = make()
  await server.start()
})

afterEach(async () => {
  for (const one of servers.splice(0)) await one.close()
  rmSync(folder, { recursive: true })
})

function make(idleMs?: number): ControlServer {
  const one = new ControlServer(
    file,
    async (command) => {
      commands.push(command)
      if (command === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
      if (command === 'unknown') throw new Fault('options-invalid')
      if (command === 'bug') throw new RangeError('a bug')
      return { said: command }
    },
    idleMs,
  )
  servers.push(one)
  return one
}

function plainFile(): string {
  const plain = join(folder, 'plain')
  writeFileSync(plain, '')
  return plain
}

/** Sends this and gives what comes back. */
function raw(bytes: string | Uint8Array, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = net.connect(file)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
    if (end) socket.end(bytes)
    else socket.write(bytes)
  })
}

describe('the control socket', () => {
  test('answers a command', async () => {
    expect(await askDaemon(file, 'status')).toEqual({ said: 'status' })
    expect(commands).toEqual(['status'])
  })

  test('is waited for while the daemon works on a command, and not longer than was wanted', async () => {
    await server.close()
    server = make(SLOW_MS / 10)
    await server.start()
    expect(await askDaemon(file, 'slow')).toEqual({ said: 'slow' })
    expect((await rejectionOf(askDaemon(file, 'slow', {}, SLOW_MS / 10))).code).toBe('daemon-silent')
    expect(await raw('{"command":')).toBe('') // who says nothing more is dropped
  })

  test('can be opened by its own user alone', () => {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700)
  })

  test('refuses what it does not know, and bugs end nothing', async () => {
    expect((await rejectionOf(askDaemon(file, 'unknown'))).code).toBe('options-invalid')
    expect((await rejectionOf(askDaemon(file, 'bug'))).code).toBe('options-invalid')
    expect(await askDaemon(file, 'status')).toEqual({ said: 'status' })
  })

  test.each([
    ['no JSON', 'hello\n'],
    ['no object', 'null\n'],
    ['no command', '{}\n'],
    ['a command that is no text', '{"command":7}\n'],
    ['an empty line', '\n'],
    ['bytes that are no text', new Uint8Array([255, 254, 10])],
  ])('answers garbage with a fault: %s', async (_what, bytes) => {
    expect(await raw(bytes)).toBe('{"fault":"options-invalid"}\n')
    expect(commands).toEqual([])
  })

  test('drops who sends more than a command', async () => {
    expect(await raw('x'.repeat(5000))).toBe('')
    expect(await raw(`${'x'.repeat(5000)}\n`)).toBe('{"fault":"options-invalid"}\n')
    expect(await askDaemon(file, 'status')).toEqual({ said: 'status' })
  })

  test('runs one command for a caller, also if he sends more', async () => {
    const line = '{"command":"status"}\n'
    expect(await raw(line + line + line, { end: true })).toBe('{"answer":{"said":"status"}}\n')
    expect(commands).toEqual(['status'])
  })

  test('takes a command in pieces', async () => {
    const socket = net.connect(file)
    let text = ''
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    for (const char of '{"command":"status"}\n') {
      socket.write(char)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => text.endsWith('\n'))
    socket.destroy()
    expect(JSON.parse(text)).toEqual({ answer: { said: 'status' } })
  })
})

describe('a second daemon', () => {
  test('is told that there is one, and harms it in nothing', async () => {
    expect(await rejectionOf(make().start())).toMatchObject({ code: 'port-in-use', details: { address: file } })
    expect(await askDaemon(file, 'status')).toEqual({ said: 'status' })
  })

  test('takes over what one left behind that was killed', async () => {
    await server.close()
    writeFileSync(file, 'no socket any more')
    await make().start()
    expect(await askDaemon(file, 'status')).toEqual({ said: 'status' })
  })
})

describe('a control socket that can not be made', () => {
  test.each([
    ['in a folder that can not be made', () => join(plainFile(), 'control.sock'), { errno: 'EEXIST' }],
    ['where there is a folder', () => folder, { errno: 'ERR_FS_EISDIR' }],
    ['on a path that is too long', () => join(folder, 'x'.repeat(200)), { errno: 'EINVAL' }],
  ])('%s is named, with the error of the system', async (_what, place, details) => {
    file = place()
    expect(await rejectionOf(make().start())).toMatchObject({ code: 'state-unwritable', details })
  })
})

describe('the end of the control socket', () => {
  test('does not wait for callers who say nothing', async () => {
    const idle = net.connect(file)
    await new Promise<void>((resolve) => idle.once('connect', () => resolve()))
    idle.on('error', () => {})
    let closed = false
    void server.close().then(() => {
      closed = true
    })
    await until(() => closed, 'the end')
    idle.destroy()
  })

  test('takes the file away, and can be asked for twice', async () => {
    await Promise.all([server.close(), server.close()])
    expect(existsSync(file)).toBe(false)
    expect((await rejectionOf(askDaemon(file, 'status'))).code).toBe('daemon-silent')
  })

  test('is told to whoever asks a daemon that is not there, or that is none', async () => {
    await server.close()
    const other = net.createServer((socket) => socket.resume().end('hello\n'))
    await new Promise<void>((resolve) => other.listen(file, resolve))
    chmodSync(file, 0o600)
    expect((await rejectionOf(askDaemon(file, 'status'))).code).toBe('daemon-silent')
    await new Promise((resolve) => other.close(resolve))
  })
})
