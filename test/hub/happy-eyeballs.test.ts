import net, { type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { type Dialled, dialFirst } from '../../hub/happy-eyeballs.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { until } from '../support/until.ts'

const cleanUp: (() => void)[] = []

afterEach(() => {
  jest.restoreAllMocks()
  jest.useRealTimers()
  for (const step of cleanUp.splice(0)) step()
})

const loopback = (last: number): Uint8Array => Uint8Array.of(127, 0, 0, last)

/** A server on this address; the port is the same for all servers of a test. */
async function listen(last: number, port = 0): Promise<{ port: number; accepted: Socket[]; server: Server }> {
  const accepted: Socket[] = []
  const server = net.createServer((socket) => void accepted.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen({ host: formatIp(loopback(last)), port }, resolve))
  cleanUp.push(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  return { port: (server.address() as net.AddressInfo).port, accepted, server }
}

const LIMIT_MS = 10_000

/** The same as a promise, which rejects with the errors. */
function dial(lasts: readonly number[], port: number): { dialled: Promise<Dialled>; giveUp: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>()
  promise.catch(() => {})
  return {
    dialled: promise,
    giveUp: dialFirst(lasts.map(loopback), port, LIMIT_MS, { connected: resolve, failed: reject }),
  }
}

describe('connecting to the first address that answers', () => {
  test('takes the first one where it answers', async () => {
    const one = await listen(1)
    const two = await listen(2, one.port)
    const { socket } = await dial([1, 2], one.port).dialled
    cleanUp.push(() => socket.destroy())
    await until(() => one.accepted.length === 1)
    expect([socket.remoteAddress, two.accepted.length, socket.allowHalfOpen]).toEqual(['127.0.0.1', 0, true])
  })

  test('goes on to the next at once when one refuses', async () => {
    const two = await listen(2)
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
    const { socket } = await dial([1, 2], two.port).dialled
    cleanUp.push(() => socket.destroy())
    expect(socket.remoteAddress).toBe('127.0.0.2')
  })

  test('says of each address why it failed, when all do', async () => {
    const { port, server } = await listen(9)
    await new Promise((resolve) => server.close(resolve))
    const errors = await dial([1, 2, 3], port).dialled.catch((all) => all)
    expect(errors.map(({ code }: { code: string }) => code)).toEqual(Array(3).fill('ECONNREFUSED'))
  })

  test('fails when there is no address', async () => {
    await expect(dial([], 80).dialled).rejects.toEqual([])
  })
})

describe('addresses that say nothing', () => {
  /** Sockets that connect only when the test says so. */
  function silentSockets(): { sockets: Socket[]; hosts: () => string[] } {
    const sockets: Socket[] = []
    const connect = jest.spyOn(net, 'connect').mockImplementation(() => {
      const socket = new net.Socket()
      sockets.push(socket)
      return socket
    })
    return {
      sockets,
      hosts: () => connect.mock.calls.map(([options]) => (options as unknown as { host: string }).host),
    }
  }

  test('are given a quarter of a second each, while those before go on', async () => {
    jest.useFakeTimers()
    const { sockets, hosts } = silentSockets()
    const { dialled } = dial([1, 2, 3], 80)
    expect(hosts()).toEqual(['127.0.0.1'])
    await jest.advanceTimersByTimeAsync(249)
    expect(hosts()).toHaveLength(1)
    await jest.advanceTimersByTimeAsync(1)
    expect(hosts()).toHaveLength(2)
    await jest.advanceTimersByTimeAsync(250)
    expect(hosts()).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    sockets[0]?.emit('connect')
    expect((await dialled).socket).toBe(sockets[0])
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, true, true])
    await jest.advanceTimersByTimeAsync(10_000)
    expect(hosts()).toHaveLength(3)
  })

  test('are all given up by who asked, who is told nothing more', async () => {
    jest.useFakeTimers()
    const { sockets } = silentSockets()
    const { dialled, giveUp } = dial([1, 2, 3], 80)
    let told = false
    dialled
      .finally(() => {
        told = true
      })
      .catch(() => {})
    await jest.advanceTimersByTimeAsync(300)
    giveUp()
    giveUp()
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
    await jest.advanceTimersByTimeAsync(2 * LIMIT_MS)
    expect([sockets.length, told]).toEqual([2, false])
  })

  test('are all given up when the time is over', async () => {
    jest.useFakeTimers()
    const { sockets } = silentSockets()
    const { dialled } = dial([1, 2], 80)
    await jest.advanceTimersByTimeAsync(LIMIT_MS)
    await expect(dialled).rejects.toEqual([])
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
  })

  test('that fail one after the other, the last while nothing is left to try, end it', async () => {
    jest.useFakeTimers()
    const { sockets } = silentSockets()
    const { dialled } = dial([1, 2], 80)
    await jest.advanceTimersByTimeAsync(1_000)
    sockets[1]?.emit('error', new Error('second'))
    await jest.advanceTimersByTimeAsync(1_000)
    sockets[0]?.emit('error', new Error('first'))
    await expect(dialled).rejects.toMatchObject([{ message: 'second' }, { message: 'first' }])
  })
})
