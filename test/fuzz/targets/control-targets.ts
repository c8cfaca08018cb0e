import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../../shared/base/bytes.ts'
import { Fault, isFault } from '../../../shared/base/fault.ts'
import { FAULTS } from '../../../shared/base/fault-codes.ts'
import { askDaemon } from '../../../shared/control/control-client.ts'
import { ControlServer } from '../../../shared/control/control-server.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const KNOWN = 'status'
const ANSWERS = [`{"answer":"${KNOWN}"}\n`, '{"fault":"options-invalid"}\n', '']

/** Runs with a socket file of its own, gone afterwards. */
async function withSocketFile<T>(run: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'spn-fuzz-'))
  try {
    return await run(join(folder, 'control.sock'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What comes back from a caller that says this and no more. */
function ask(file: string, input: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = net.connect(file)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => {}) // an end in the middle of what is said
    socket.once('close', () => resolve(text))
    socket.end(input)
  })
}

const controlServer: FuzzTarget = {
  name: 'control-server',
  about: 'what a program says to the daemon, over its socket',
  maxBytes: 5000,
  words: ['{"command":', '"status"', '\n', '}', 'null', '__proto__'].map(utf8),
  seeds: () =>
    [`{"command":"${KNOWN}"}\n`, '{"command":"other"}\n', '{"command":7}\nmore', 'null\n', '{}', 'x'.repeat(5000)].map(
      utf8,
    ),
  run: (input) =>
    withSocketFile(async (file) => {
      const commands: string[] = []
      const server = new ControlServer(file, (command) => {
        commands.push(command)
        if (command !== KNOWN) throw new Fault('options-invalid')
        return command
      })
      await server.start()
      const text = await ask(file, input)
      promise(commands.length <= 1, 'one command for a caller')
      promise(ANSWERS.includes(text), 'an answer, a fault, or nothing')
      promise((text === ANSWERS[0]) === (commands[0] === KNOWN), 'an answer is for a command that there is')
      promise((await ask(file, utf8(`{"command":"${KNOWN}"}\n`))) === ANSWERS[0], 'the next caller is served')
      await server.close()
      return `${commands.length} ${ANSWERS.indexOf(text)}`
    }),
}

const controlClient: FuzzTarget = {
  name: 'control-client',
  about: 'what the daemon answers, or whoever took its place',
  maxBytes: 1024,
  words: ['{"answer":', '"fault":', 'null', '}\n'].map(utf8),
  seeds: () =>
    ['{"answer":{"a":[1]}}\n', '{"fault":"options-invalid"}\n', 'null', '', '{"fault":7}', '{"fault":"toString"}'].map(
      utf8,
    ),
  run: (input) =>
    withSocketFile(async (file) => {
      const server = net.createServer((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end(input),
      )
      await new Promise<void>((resolve) => server.listen(file, resolve))
      try {
        await askDaemon(file, KNOWN)
        return 'answered'
      } catch (error) {
        promise(isFault(error) && Object.hasOwn(FAULTS, error.code), 'a fault that is documented')
        return error.code
      } finally {
        await new Promise((resolve) => server.close(resolve))
      }
    }),
}

export const CONTROL_TARGETS: readonly FuzzTarget[] = [controlServer, controlClient]
