import { fileURLToPath } from 'node:url'
import type { Host } from '../../world/host.ts'
import type { HostProcess } from '../../world/host-process.ts'
import type { PageView } from './browser-driver.ts'

const DRIVER = fileURLToPath(new URL('browser-driver.ts', import.meta.url))
const START_MS = 120_000
const VIEW_MS = 90_000

/** Chromium on a host of the world. It ends with the world. */
export class Browser {
  readonly #process: HostProcess

  private constructor(process: HostProcess) {
    this.#process = process
  }

  static async start(host: Host, home: string, flags: readonly string[]): Promise<Browser> {
    const process = host.node(DRIVER, flags, { env: { HOME: home } })
    await process.line(/^ready$/, START_MS)
    return new Browser(process)
  }

  /** Opens a page and gives what it shows when all of it is loaded. */
  async view(url: string): Promise<PageView> {
    const line = this.#process.nextLine(new RegExp(`^\\{"url":"${url.replaceAll('.', '\\.')}".*$`), VIEW_MS)
    this.#process.stdin.write(`${url}\n`)
    return JSON.parse((await line)[0]) as PageView
  }

  /** What a page says that could be opened. Rejects with Chromium's own words if it could not. */
  async read(url: string): Promise<string> {
    const { text, failure } = await this.view(url)
    if (failure !== undefined) throw new Error(failure)
    return text
  }
}
