import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DirectoryConfig } from '../../directory/options.ts'
import type { Network } from '../../shared/map/network.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { freePort } from '../net/free-port.ts'
import { writeJson } from '../net/network-config.ts'
import { Program } from './program.ts'

const HOST = '127.0.0.1'
const NETWORK_FILE = 'network.json'

export interface Replica {
  readonly name: string
  readonly url: string
  readonly stateDir: string
  program: Program
}

/** Replicas of one directory as processes of their own, on loopback. */
export class DirectoryReplicas {
  readonly #folder: string
  readonly network: Network
  readonly replicas: Replica[] = []

  private constructor(folder: string, network: Network) {
    this.#folder = folder
    this.network = network
  }

  /** @param listen the address at which each of them answers, as a configuration has it */
  static async start(
    count: number,
    redis: string,
    changes: Partial<DirectoryConfig> = {},
    listen = HOST,
  ): Promise<DirectoryReplicas> {
    const folder = mkdtempSync(join(tmpdir(), 'spn-replicas-'))
    const ports = await Promise.all(Array.from({ length: count }, () => freePort(HOST)))
    const [networkFile, keyFolder] = [join(folder, NETWORK_FILE), join(folder, 'key')]
    const init = new Program('init', [
      ...['deploy/bin/spn-directory', 'init', '--state-dir', keyFolder, '--network-file', networkFile],
      ...['--network', 'replicas', '--name', 'one', '--url', `http://${HOST}:${ports[0]}`, '--test-network', 'yes'],
    ])
    if ((await init.exit()) !== 0) throw new Error(`init failed:\n${init.output}`)
    const all = new DirectoryReplicas(folder, readNetworkFile(networkFile))
    for (const [i, port] of ports.entries()) {
      const [name, stateDir] = [`replica${i}`, join(folder, `state${i}`)]
      cpSync(keyFolder, stateDir, { recursive: true })
      writeJson(folder, `${name}.json`, {
        ...{ networkFile, stateDir, listen: `${listen}:${port}`, addressScope: ['127.0.0.0/8'], redis },
        geo: { overridesOnly: true },
        ...changes,
      })
      all.replicas.push({ name, url: `http://${HOST}:${port}`, stateDir, program: all.#spawn(name) })
    }
    await Promise.all(all.replicas.map(({ program }) => program.line('directory started')))
    return all
  }

  get networkFile(): string {
    return join(this.#folder, NETWORK_FILE)
  }

  /** The one that said last that it publishes. */
  get publisher(): Replica | undefined {
    const turns = this.replicas.flatMap((replica) => {
      const line = replica.program.output.split('\n').findLast((text) => text.includes('this replica publishes'))
      return line === undefined ? [] : [{ replica, time: (JSON.parse(line) as { time: number }).time }]
    })
    return turns.sort((a, b) => b.time - a.time)[0]?.replica
  }

  async restart(replica: Replica): Promise<void> {
    replica.program = this.#spawn(replica.name)
    await replica.program.line('directory started', 120_000)
  }

  /** The synced file of what a replica signed, if there is one. */
  signedFile({ stateDir }: Replica): Uint8Array | undefined {
    try {
      return readFileSync(join(stateDir, 'signed-epochs'))
    } catch {
      return undefined
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.replicas.map(({ program }) => program.stop()))
    rmSync(this.#folder, { recursive: true })
  }

  /** One more process with the configuration of a replica, and what is said on its command line. */
  program(index: number, words: readonly string[] = []): Program {
    const { name } = this.replicas[index] as Replica
    return this.#spawn(name, words)
  }

  #spawn(name: string, words: readonly string[] = []): Program {
    const file = join(this.#folder, `${name}.json`)
    return new Program(name, ['deploy/bin/spn-directory', 'run', '--config', file, ...words])
  }
}
