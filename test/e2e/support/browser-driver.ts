/**
 * Opens pages with Chromium, each as somebody who was never there before.
 *
 *     node browser-driver.ts [FLAG OF CHROMIUM...]
 *
 * Writes `ready`; then takes a URL a line, and writes a line of JSON of it: a `PageView`.
 */
import { createInterface } from 'node:readline'
import { type Browser, chromium } from 'playwright-core'

/** One thing that a page has loaded. */
export interface LoadedResource {
  readonly url: string
  /** As `h2` or `h3`. */
  readonly protocol: string
  readonly bytes: number
}

export interface PageView {
  readonly url: string
  /** Why the page was not loaded, in Chromium's own words. */
  readonly failure?: string
  readonly text: string
  readonly resources: readonly LoadedResource[]
}

const OPEN_MS = 60_000
const FLAGS = [
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Runs in the page. */
const LOOK = `({
  text: document.body.innerText,
  resources: performance.getEntriesByType('resource').map((entry) =>
    ({ url: entry.name, protocol: entry.nextHopProtocol, bytes: entry.decodedBodySize })),
})`

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  headless: true,
  chromiumSandbox: false,
  args: [...FLAGS, ...process.argv.slice(2)],
})
console.log('ready')
for await (const url of createInterface({ input: process.stdin })) void view(url)
await browser.close()

async function view(url: string): Promise<void> {
  console.log(JSON.stringify(await open(browser, url)))
}

async function open(from: Browser, url: string): Promise<PageView> {
  const context = await from.newContext()
  try {
    const page = await context.newPage()
    await page.goto(url, { timeout: OPEN_MS, waitUntil: 'load' })
    return { url, ...((await page.evaluate(LOOK)) as Omit<PageView, 'url'>) }
  } catch (error) {
    return { url, failure: (error as Error).message.split('\n')[0] ?? '', text: '', resources: [] }
  } finally {
    await context.close()
  }
}
