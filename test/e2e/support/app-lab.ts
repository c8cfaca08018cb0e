import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { App } from '../../../client/apps/app.ts'
import { ROOT } from '../../support/program.ts'
import { LineProcess } from './line-process.ts'

const PYTHON = '/usr/bin/python3'
const KNOWN_MS = 60_000
const PROGRAM = join(ROOT, 'test/e2e/support/app-program.py')

export type End = readonly [host: string, port: number]

export interface FlowQuery {
  readonly protocol: number
  readonly source: End
  readonly destination: End
  readonly uid?: number
  readonly inodes?: readonly number[]
}

/** Why this machine cannot make one; undefined if it can. */
export function whyNoAppLab(): string | undefined {
  if (process.platform !== 'linux') return 'processes are looked for on Linux only'
  if (spawnSync(PYTHON, ['--version']).status !== 0) return `${PYTHON} is missing`
  if (spawnSync('unshare', ['--net', '--pid', '--fork', '--mount-proc', 'true']).status !== 0)
    return 'namespaces need root'
  if (spawnSync('setpriv', ['--reuid', '1000', '--regid', '1000', '--clear-groups', 'true']).status !== 0)
    return 'other users need root'
  return undefined
}

/** A program that was started in the lab, which does what it is told. */
export interface LabProgram {
  readonly pid: number
  readonly uid: number
  tell(command: object): Promise<Readonly<Record<string, unknown>>>
  open(command: object): Promise<{ readonly local: End; readonly inode: number }>
  kill(): Promise<void>
}

/** Processes and sockets in namespaces of their own, and a finder among them. */
export class AppLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'spn-apps-'))
  readonly #driver: LineProcess
  #nextId = 1

  constructor() {
    chmodSync(this.folder, 0o777)
    const inside = `ip link set lo up && exec "$0" --no-warnings test/e2e/support/app-driver.ts`
    const namespaces = ['--net', '--pid', '--fork', '--mount-proc', '--kill-child']
    const child = spawn('unshare', [...namespaces, 'sh', '-c', inside, process.execPath], {
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#driver = new LineProcess(child)
  }

  async close(): Promise<void> {
    await this.#driver.kill()
    rmSync(this.folder, { recursive: true })
  }

  /** A program file of its own; what it does is Python. */
  program(name: string, mode = 0o755): string {
    const file = join(this.folder, name)
    copyFileSync(PYTHON, file)
    chmodSync(file, mode)
    return file
  }

  remove(file: string): void {
    rmSync(file)
  }

  async start(file: string, options: { readonly uid?: number; readonly before?: readonly string[] } = {}) {
    const { uid, before = [] } = options
    const { name, hello } = await this.command({ spawn: [...before, file, PROGRAM], uid })
    const tell = async (command: object) =>
      (await this.command({ tell: command, to: name })).answer as Record<string, unknown>
    const about = hello as { pid: number; uid: number }
    const program: LabProgram = {
      pid: Number(name),
      uid: about.uid,
      tell,
      open: async (command) => (await tell({ op: 'open', ...command })) as { local: End; inode: number },
      kill: async () => void (await this.command({ kill: name })),
    }
    return program
  }

  /** The arguments with which a program becomes another one that takes commands. */
  args(file: string): readonly string[] {
    return [file, PROGRAM]
  }

  async listen(host: string): Promise<End> {
    return [host, Number((await this.command({ listen: [host, 0] })).port)]
  }

  async find(query: FlowQuery): Promise<App | undefined> {
    return (await this.command({ find: query })).app as App | undefined
  }

  /** As soon as it is known: a search that takes too long, as on a busy computer, gives none. */
  async known(query: FlowQuery): Promise<App> {
    const giveUpAt = performance.now() + KNOWN_MS
    for (;;) {
      const app = await this.find(query)
      if (app !== undefined) return app
      if (performance.now() > giveUpAt) throw new Error('the app stays unknown')
    }
  }

  async inodes(query: FlowQuery): Promise<readonly number[]> {
    const { sockets } = await this.command({ diag: query })
    return (sockets as { inode: number }[]).map(({ inode }) => inode)
  }

  /** What the finder complained about. */
  get failures(): readonly unknown[] {
    return this.#driver.messages.flatMap(({ failure }) => failure ?? [])
  }

  async command(command: object): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId++
    this.#driver.send({ id, ...command })
    const answer = await this.#driver.next((message) => message.id === id)
    if (answer.error !== undefined) throw new Error(`${JSON.stringify(command)}: ${answer.error}`)
    return answer
  }
}
