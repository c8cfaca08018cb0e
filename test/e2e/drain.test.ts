import net, { type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { askDaemon } from '../../shared/control/control-client.ts'
import { connectBySocks } from '../bench/socks-client.ts'
import { LoopbackNetwork, type LoopbackReady } from '../net/loopback-network.ts'
import { until } from '../support/until.ts'

const DRAIN_SECONDS = 30
/** So long the old connection is used on. */
const STAYS_MS = 5_000

let network: LoopbackNetwork
let ready: LoopbackReady
let echo: net.Server

beforeAll(async () => {
  const socks = { host: '127.0.0.1', port: 0 }
  network = new LoopbackNetwork({ hubs: 5, hops: 3, socks, logLevel: 'info', drainSeconds: DRAIN_SECONDS })
  ready = await network.start()
  echo = net.createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => echo.listen({ host: '127.0.0.1', port: 0 }, resolve))
})

afterAll(async () => {
  echo.close()
  await network.stop()
})

const connect = (): Promise<Socket> =>
  connectBySocks({ host: '127.0.0.1', port: ready.client.socksPort }, (echo.address() as net.AddressInfo).port)

/** Sends a text and waits for it to come back. */
function ask(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    const onData = (chunk: Buffer): void => {
      heard += chunk.toString('latin1')
      if (heard.length < text.length) return
      socket.off('data', onData)
      resolve(heard)
    }
    socket.on('data', onData)
    socket.once('close', () => reject(new Error('closed')))
    socket.write(text)
  })
}

const home = async (): Promise<string> => {
  const status = (await askDaemon(`${network.folder}/client/control.sock`, 'status')) as { home?: { city: string } }
  return status.home?.city ?? ''
}

describe('a home hub that is told to stop', () => {
  test('keeps the connection that is open for as long as it waits, and new ones go by another home at once', async () => {
    const open = await connect()
    expect(await ask(open, 'before')).toBe('before')
    const old = await home()
    const hub = ready.hubs.find(({ city }) => city === old) as LoopbackReady['hubs'][number]
    process.kill(hub.pid, 'SIGTERM')
    const toldAt = performance.now()
    const stopping = network.programs.find(({ pid }) => pid === hub.pid)
    let fresh = await connect()
    while ((await home()) === old && stopping?.exited === undefined) {
      fresh.destroy()
      fresh = await connect() // or the test fails: no connection may be lost
    }
    expect(await ask(fresh, 'new one')).toBe('new one')
    expect(['', old]).not.toContain(await home())
    expect(stopping).toMatchObject({ exited: undefined }) // the way was changed while there was the old one
    while (performance.now() - toldAt < STAYS_MS) {
      expect(await ask(open, 'still here')).toBe('still here')
      const another = await connect()
      expect(await ask(another, 'and another')).toBe('and another')
      another.destroy()
    }
    open.destroy()
    await until(() => stopping?.exited, 'the end of the hub')
    expect(performance.now() - toldAt).toBeLessThan(DRAIN_SECONDS * 1000)
    expect(await ask(fresh, 'as before')).toBe('as before')
    fresh.destroy()
  })
})
