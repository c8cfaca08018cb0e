import net from 'node:net'
import { listenFault } from '../../shared/base/listen-fault.ts'
import { systemRandom } from '../../shared/base/random.ts'

/*
 * A port that was found free is bound by a program some time later. Systems hand out ports from 32768 on by themselves, to
 * whoever dials or listens meanwhile, so these are below. Each process has a block of its own, where it gives each in turn.
 */
export const FIRST_PORT = 12_000
export const BLOCKS = 200
export const BLOCK_PORTS = 100

const BLOCK_START = FIRST_PORT + (process.pid % BLOCKS) * BLOCK_PORTS
let turn = systemRandom.below(BLOCK_PORTS)

/** A port that is free on this address, and that nobody gets by chance. @throws Fault address-unavailable, port-in-use */
export async function freePort(host: string): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = BLOCK_START + (turn++ % BLOCK_PORTS)
    const error = await tryToListen(host, port)
    if (error === undefined) return port
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === BLOCK_PORTS) throw listenFault(error, host)
  }
}

/** What came of listening there: nothing, or an error. */
function tryToListen(host: string, port: number): Promise<unknown> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', resolve)
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}
