/**
 * Datagrams of 200 bytes from one app through three hops on loopback, by a UDP association of the SOCKS port: how many
 * arrive, and what each costs client and hubs. The server tells the app now and then how many it has, and the app keeps so
 * many under way that something always waits.
 */
import { cpuSeconds, LoopbackNetwork, type LoopbackReady } from '../net/loopback-network.ts'
import { SocksUdp } from '../support/socks-udp.ts'
import { UdpServer } from '../support/udp-server.ts'
import { report } from './report.ts'

const SIZE = 200
const UNDER_WAY = 200
/** The server says so often how many came. */
const TELL_EVERY = 32
/** What has not come by then is taken for lost. */
const LOST_AFTER_MS = 50

/** @param nodeFlags for client and hubs, such as those for a profile */
export async function benchUdp({
  seconds,
  nodeFlags = [],
}: {
  readonly seconds: number
  readonly nodeFlags?: readonly string[]
}): Promise<void> {
  const network = new LoopbackNetwork({
    ...{ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info', nodeFlags },
  })
  let [arrived, sent, lost] = [0, 0, 0]
  const server = await UdpServer.open('127.0.0.1', (bytes) => {
    server.seen.length = 0
    if (bytes.length !== SIZE) return bytes
    return ++arrived % TELL_EVERY === 0 ? Uint8Array.of(1) : undefined
  })
  try {
    const ready = await network.start()
    const app = await SocksUdp.open({ host: ready.client.socksHost, port: ready.client.socksPort })
    app.send('127.0.0.1', server.port, 'ready?') // the exit sends little to a server that never answered
    await app.datagram(0)
    const payload = new Uint8Array(SIZE)
    const { port } = server
    const run = async (ms: number): Promise<void> => {
      const until = performance.now() + ms
      let [progress, before] = [performance.now(), arrived]
      while (performance.now() < until) {
        app.received.length = 0
        while (sent - arrived - lost < UNDER_WAY) {
          app.send('127.0.0.1', port, payload)
          sent++
        }
        await new Promise((resolve) => setImmediate(resolve))
        const now = performance.now()
        if (arrived !== before) [progress, before] = [now, arrived]
        else if (now - progress > LOST_AFTER_MS) {
          lost = sent - arrived
          progress = now
        }
      }
    }
    await run(1000)
    const [startArrived, startSent, startCpu, start] = [arrived, sent, cpuOf(ready), performance.now()]
    const startOwnCpu = ownCpu()
    await run(seconds * 1000)
    const took = (performance.now() - start) / 1000
    const count = arrived - startArrived
    report('udp.pps_200', count / took, '1/s')
    report('udp.cpu_us_200', ((cpuOf(ready) - startCpu) / count) * 1e6, 'us')
    report('udp.load_cpu_us_200', ((ownCpu() - startOwnCpu) / count) * 1e6, 'us')
    report('udp.lost_pct_200', Math.max(0, 1 - count / (sent - startSent)) * 100, '%')
    app.close()
  } finally {
    server.close()
    await network.stop()
  }
}

/** Of app and server. */
function ownCpu(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function cpuOf({ client, hubs }: LoopbackReady): number {
  return [client, ...hubs].reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
}

if (import.meta.main) await benchUdp({ seconds: 4, nodeFlags: process.argv.slice(2) })
