import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../net/free-port.ts'
import { Program } from '../support/program.ts'
import {
  authorityConfig,
  clientConfig,
  parseFingerprint,
  parseV3Ident,
  relayConfig,
  type TorAuthority,
  type TorCommon,
  type TorScheduler,
} from './tor-config.ts'

export interface TorReady {
  readonly socksPort: number
  readonly controlPort: number
  readonly clientPid: number
  readonly relayPids: readonly number[]
}

/** Programs of Debian's package `tor` that are not here. */
export function missingTorPrograms(): readonly string[] {
  return ['tor', 'tor-gencert'].filter((name) => spawnSync(name, ['--version']).error !== undefined)
}

/** What `tor --version` says, as `0.4.9.11`. */
export function torVersion(): string {
  return /Tor version ([\d.]*\d)/.exec(spawnSync('tor', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown'
}

/** A Tor network of real processes on loopback, in a temporary folder: an authority, relays that are exits, a client. */
export class TorNetwork {
  readonly #relays: number
  readonly #scheduler: TorScheduler
  readonly #folder = mkdtempSync(join(tmpdir(), 'spn-tor-'))
  readonly #programs: Program[] = []

  constructor(options: { readonly relays: number; readonly scheduler: TorScheduler }) {
    this.#relays = options.relays
    this.#scheduler = options.scheduler
  }

  /** Takes about a minute: relays announce themselves, and the authority votes, before the client can build circuits. */
  async start(): Promise<TorReady> {
    const authority = await this.#makeAuthority()
    this.#spawn('authority', authorityConfig(this.#common('authority', authority)))
    const relays: Program[] = []
    for (let i = 0; i < this.#relays; i++) {
      const name = `relay${i}`
      relays.push(this.#spawn(name, relayConfig(this.#common(name, authority), name, await freePort('127.0.0.1'))))
    }
    const ports = { socks: await freePort('127.0.0.1'), control: await freePort('127.0.0.1') }
    const client = this.#spawn('client', clientConfig(this.#common('client', authority), ports))
    await client.line('Bootstrapped 100%', 180_000)
    return {
      socksPort: ports.socks,
      controlPort: ports.control,
      clientPid: client.pid,
      relayPids: relays.map(({ pid }) => pid),
    }
  }

  /** Ends all processes and removes their files. */
  async stop(): Promise<void> {
    await Promise.all([...this.#programs].reverse().map((program) => program.stop()))
    if (existsSync(this.#folder)) rmSync(this.#folder, { recursive: true })
  }

  #common(name: string, authority: TorAuthority): TorCommon {
    return { dataFolder: join(this.#folder, name), ownerPid: process.pid, scheduler: this.#scheduler, authority }
  }

  /** The authority's keys; every other process is told their fingerprints. */
  async #makeAuthority(): Promise<TorAuthority> {
    const ports = { orPort: await freePort('127.0.0.1'), dirPort: await freePort('127.0.0.1') }
    const dataFolder = join(this.#folder, 'authority')
    const keys = join(dataFolder, 'keys')
    mkdirSync(keys, { recursive: true, mode: 0o700 })
    const files = { i: 'authority_identity_key', s: 'authority_signing_key', c: 'authority_certificate' }
    const named = Object.entries(files).flatMap(([letter, file]) => [`-${letter}`, join(keys, file)])
    const address = ['-a', `127.0.0.1:${ports.dirPort}`]
    run('tor-gencert', ['--create-identity-key', ...named, '-m', '12', ...address, '--passphrase-fd', '0'], 'unused\n')
    const listing = [
      '--quiet',
      '--Nickname',
      'authority',
      '--DataDirectory',
      dataFolder,
      '--ORPort',
      String(ports.orPort),
    ]
    const fingerprint = parseFingerprint(run('tor', ['--list-fingerprint', ...this.#files('empty', ''), ...listing]))
    return { ...ports, fingerprint, v3Ident: parseV3Ident(readFileSync(join(keys, files.c), 'utf8')) }
  }

  #spawn(name: string, config: string): Program {
    const program = new Program(`tor ${name}`, ['tor', ...this.#files(name, config)])
    this.#programs.push(program)
    return program
  }

  /** Arguments that make tor read this configuration and not the machine's own. */
  #files(name: string, config: string): string[] {
    const [defaults, file] = [join(this.#folder, 'defaults.torrc'), join(this.#folder, `${name}.torrc`)]
    writeFileSync(defaults, '')
    writeFileSync(file, config)
    return ['--defaults-torrc', defaults, '-f', file]
  }
}

/** What a program printed. @throws if it failed */
function run(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} failed:\n${stdout}${stderr}`)
  return stdout
}
