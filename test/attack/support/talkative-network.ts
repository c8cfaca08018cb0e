import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Place } from '../../../shared/geo/place.ts'
import { freePort } from '../../net/free-port.ts'
import { hubAddress } from '../../net/loopback-network.ts'
import { overrideLine, QUICK_DIRECTORY, UNLIMITED_HUB, writeJson } from '../../net/network-config.ts'
import { Program } from '../../support/program.ts'

const PRELOAD = fileURLToPath(new URL('ask-name-server.ts', import.meta.url))
const PLACE: Place = { latitude: 48.2082, longitude: 16.3738, country: 'AT', city: 'Vienna' }
const NODE = ['node', '--no-warnings']
const LOG_LEVEL = 'debug'

/** A directory, hubs and a client as processes on loopback, all of which say as much as they can. */
export class TalkativeNetwork {
  readonly #folder = mkdtempSync(join(tmpdir(), 'spn-talk-'))
  readonly programs = new Map<string, Program>()
  socksPort = 0

  /** @param nameServer `ADDRESS:PORT` that exits ask */
  async start(hubs: number, nameServer: string): Promise<void> {
    const networkFile = join(this.#folder, 'network.json')
    const overridesFile = writeJson(
      this.#folder,
      'places.json',
      Array.from({ length: hubs }, (_, i) => overrideLine(`${hubAddress(i)}/32`, PLACE, 64_500 + i)),
    )
    const geo = { overridesFile, overridesOnly: true }
    await this.#startDirectory(networkFile, geo)
    for (let i = 0; i < hubs; i++) {
      const listen = [`${hubAddress(i)}:${await freePort(hubAddress(i))}`]
      const config = writeJson(this.#folder, `hub${i}.json`, {
        ...{ networkFile, listen, logLevel: LOG_LEVEL, drainSeconds: 0, limits: UNLIMITED_HUB },
        stateDir: join(this.#folder, `hub${i}`),
        roles: { home: true, relay: true, exit4: true, exit6: false },
      })
      const env = { TEST_NAME_SERVER: nameServer }
      this.#spawn(`hub${i}`, [`--import=${PRELOAD}`, 'hub/main.ts', '--config', config], env)
    }
    await Promise.all([...this.programs.values()].map((program) => program.line(`"hubs":${hubs}`)))
    this.socksPort = await freePort('127.0.0.1')
    const config = writeJson(this.#folder, 'client.json', {
      ...{ networkFile, geo, hops: 3, logLevel: LOG_LEVEL, stateDir: join(this.#folder, 'client') },
      socks: `127.0.0.1:${this.socksPort}`,
    })
    await this.#spawn('client', ['client/main.ts', 'run', '--config', config]).line('home link up')
  }

  /** Every secret that lies in a state file, by the name of the file. */
  keys(): Map<string, Uint8Array> {
    const keys = new Map<string, Uint8Array>()
    for (const name of readdirSync(this.#folder, { recursive: true, encoding: 'utf8' })) {
      if (!/\.keys?$/.test(name)) continue
      const bytes = new Uint8Array(readFileSync(join(this.#folder, name)))
      // 2 bytes in front of the first record, 16 of times in each, then 32 of X25519 and 64 of ML-KEM.
      if (name.endsWith('.keys')) keys.set(`${name} X25519`, bytes.slice(18, 50)).set(`${name} ML-KEM`, bytes.slice(50))
      else keys.set(name, bytes)
    }
    return keys
  }

  async stop(): Promise<void> {
    for (const program of [...this.programs.values()].reverse()) await program.stop()
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startDirectory(networkFile: string, geo: Record<string, unknown>): Promise<void> {
    const stateDir = join(this.#folder, 'directory')
    const port = await freePort('127.0.0.1')
    const init = new Program('init', [
      ...[...NODE, 'directory/main.ts', 'init', '--state-dir', stateDir, '--network-file', networkFile],
      ...['--network', 'talk', '--name', 'd', '--url', `http://127.0.0.1:${port}`, '--test-network', 'yes'],
    ])
    if ((await init.exit()) !== 0) throw new Error(init.output)
    const config = writeJson(this.#folder, 'directory.json', {
      ...{ ...QUICK_DIRECTORY, networkFile, stateDir, geo, logLevel: LOG_LEVEL },
      listen: `127.0.0.1:${port}`,
      addressScope: ['127.0.0.0/8'],
    })
    await this.#spawn('directory', ['directory/main.ts', 'run', '--config', config]).line('directory started')
  }

  #spawn(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const program = new Program(name, [...NODE, ...args], env)
    this.programs.set(name, program)
    return program
  }
}
