import { Agent, request } from 'node:http'
import { DirectoryReplicas } from '../support/directory-replicas.ts'
import { RealHub } from '../support/real-hub.ts'
import { eventually, RedisServers } from '../support/redis-servers.ts'
import { report } from './report.ts'

const CONNECTIONS = 32

/** How often a second one replica of a directory on Redis says that the map is still the same. */
export async function bench304({ seconds }: { readonly seconds: number }): Promise<void> {
  const servers = await RedisServers.start({ replicas: 1 })
  const directory = await DirectoryReplicas.start(1, servers.url, { epochSeconds: 60, mapLifeEpochs: 100 })
  const hub = await RealHub.start(directory.network.id)
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  try {
    const url = directory.replicas[0]?.url ?? ''
    const headers = { 'content-type': 'application/octet-stream' }
    await fetch(`${url}/v1/descriptors`, { method: 'POST', headers, body: Buffer.from(hub.signed(1)) })
    let tag = ''
    await eventually(async () => {
      const answer = await fetch(`${url}/v1/map`)
      tag = answer.headers.get('etag') ?? ''
      return answer.ok
    })
    const ask = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request(`${url}/v1/map`, { agent, headers: { 'if-none-match': tag } }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
        })
        asked.on('error', reject).end()
      })
    const [started, until] = [performance.now(), performance.now() + seconds * 1000]
    let count = 0
    const worker = async (): Promise<void> => {
      while (performance.now() < until) if ((await ask()) === 304) count++
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, worker))
    report('directory.not_modified_per_s', (count * 1000) / (performance.now() - started), '1/s')
  } finally {
    agent.destroy()
    await hub.close()
    await directory.stop()
    await servers.stop()
  }
}

if (import.meta.main) await bench304({ seconds: 4 })
