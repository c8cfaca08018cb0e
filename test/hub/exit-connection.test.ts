import net, { type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { faultOfConnect, MAX_ADDRESSES_TRIED } from '../../hub/exit-connection.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'
import { ExitScene, peerOf, type TestExitCircuit } from '../support/exit-scene.ts'
import { SocketLog } from '../support/socket-pair.ts'
import { until } from '../support/until.ts'

const LOOPBACK = Uint8Array.of(127, 0, 0, 1)

let scene: ExitScene
let server: Server
let port: number
const accepted: Socket[] = []
const circuits: TestExitCircuit[] = []

beforeEach(async () => {
  scene = new ExitScene()
  server = net.createServer({ allowHalfOpen: true }, (socket) => void accepted.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  port = (server.address() as net.AddressInfo).port
})

afterEach(async () => {
  jest.restoreAllMocks()
  for (const circuit of circuits.splice(0)) circuit.connection?.closed('hub-draining')
  for (const socket of accepted.splice(0)) socket.destroy()
  if (server.listening) await new Promise((resolve) => server.close(resolve))
})

function open(from = peerOf(1)): ReturnType<ExitScene['open']> {
  const opened = scene.open(from)
  circuits.push(opened.circuit)
  return opened
}

const web = () => ({ kind: 'ip', address: LOOPBACK, port }) as const
const named = (name = 'web.test') => ({ kind: 'name', name, port }) as const
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('an exit connection', () => {
  test('carries bytes both ways and ends with half close', async () => {
    const { circuit, connection } = open()
    connection.connect(web())
    const far = await until(() => accepted[0])
    const log = new SocketLog(far)
    await until(() => circuit.events.length === 1)
    connection.data(utf8('hello'), 512)
    await until(() => log.text === 'hello')
    far.write('world')
    await until(() => circuit.text === 'world')
    connection.finished()
    await until(() => log.ended)
    far.end()
    await until(() => circuit.events.includes('finish'))
    connection.closed(undefined)
    await until(() => scene.service.connectionCount === 0)
    expect([circuit.events, circuit.released, scene.metrics.exitsConnected]).toEqual([
      ['connected 4', 'finish'],
      512,
      1,
    ])
  })

  test('keeps early bytes and an early end until it is connected', async () => {
    const { circuit, connection } = open()
    connection.connect(web())
    for (const text of ['one ', 'two ', 'three']) connection.data(utf8(text), 100)
    connection.finished()
    expect(circuit.released).toBe(0)
    const log = new SocketLog(await until(() => accepted[0]))
    await until(() => log.ended)
    expect([log.text, circuit.released]).toEqual(['one two three', 300])
  })

  test('resets the destination when the circuit ends by a fault', async () => {
    const { connection } = open()
    connection.connect(web())
    const log = new SocketLog(await until(() => accepted[0]))
    connection.data(utf8('x'), 1)
    await until(() => log.text === 'x')
    connection.closed('cell-rejected')
    await until(() => log.closed)
    expect(log.error).toBe('ECONNRESET')
  })

  test('is a reset circuit when the destination resets it', async () => {
    const { circuit, connection } = open()
    connection.connect(web())
    const far = await until(() => accepted[0])
    await until(() => circuit.events.length === 1)
    far.resetAndDestroy()
    await until(() => circuit.events.includes('reset'))
    await until(() => scene.service.connectionCount === 0)
  })

  test('takes the first address of a name that it may connect to', async () => {
    scene.resolve = () => Promise.resolve([Uint8Array.of(10, 0, 0, 1), Uint8Array.of(169, 254, 169, 254), LOOPBACK])
    const connect = jest.spyOn(net, 'connect')
    const { circuit, connection } = open()
    connection.connect(named())
    await until(() => circuit.events.length === 1)
    expect(circuit.events).toEqual(['connected 4'])
    expect(connect.mock.calls.map(([options]) => (options as unknown as { host: string }).host)).toEqual(['127.0.0.1'])
  })

  test('tries no more than a few addresses of a name, however many it has', async () => {
    await new Promise((resolve) => server.close(resolve))
    const connect = jest.spyOn(net, 'connect')
    scene.resolve = () => Promise.resolve(Array.from({ length: 500 }, (_, i) => Uint8Array.of(127, 1, i >> 8, i & 255)))
    const { circuit, connection } = open()
    connection.connect(named())
    await until(() => circuit.refused)
    expect([circuit.refused, connect.mock.calls.length]).toEqual(['connection-refused', MAX_ADDRESSES_TRIED])
  })
})

describe('an exit connection that can not be made', () => {
  test('says that the destination refused', async () => {
    await new Promise((resolve) => server.close(resolve))
    const { circuit, connection } = open()
    connection.connect(web())
    await until(() => circuit.refused)
    expect([circuit.events, scene.service.connectionCount]).toEqual([['refused connection-refused'], 0])
    expect([...scene.metrics.exitsRefused.entries]).toEqual([['connection-refused', 1]])
  })

  test('is not even begun where the policy, the scope or the map says no', async () => {
    const connect = jest.spyOn(net, 'connect')
    for (const target of [
      { kind: 'ip', address: LOOPBACK, port: 25 },
      { kind: 'ip', address: Uint8Array.of(10, 0, 0, 1), port: 443 },
    ] as const) {
      const { circuit, connection } = open()
      connection.connect(target)
      await until(() => circuit.refused)
      expect(circuit.refused).toBe('policy-refused')
    }
    expect([connect.mock.calls.length, scene.service.connectionCount]).toEqual([0, 0])
  })

  test.each([
    ['does not exist', () => Promise.reject(new Fault('name-not-found')), 'name-not-found'],
    ['is not answered', () => Promise.reject(new Fault('name-failed')), 'name-failed'],
    ['makes the resolver fail', () => Promise.reject(new RangeError('bug')), 'name-failed'],
    ['has no address', () => Promise.resolve([]), 'name-not-found'],
    ['has only a private address', () => Promise.resolve([Uint8Array.of(10, 0, 0, 1)]), 'policy-refused'],
  ] as const)('because the name %s', async (_what, resolve, code) => {
    scene.resolve = resolve as ExitScene['resolve']
    const { circuit, connection } = open()
    connection.connect(named())
    await until(() => circuit.refused)
    expect([circuit.refused, scene.service.connectionCount]).toEqual([code, 0])
  })

  test('because this computer fails: it is told as busy, and ends nothing else', async () => {
    const service = new ExitScene()
    Object.defineProperty(service, 'facts', {
      get: () => {
        throw new Error('no file descriptors left to look at the interfaces')
      },
    })
    const { circuit, connection } = service.open()
    connection.connect(web())
    await until(() => circuit.refused)
    expect([circuit.refused, service.service.connectionCount]).toEqual(['exit-busy', 0])
  })

  test('because nobody answers in time', async () => {
    const time = new AbortController()
    jest.spyOn(AbortSignal, 'timeout').mockReturnValue(time.signal)
    const sockets: Socket[] = []
    jest.spyOn(net, 'connect').mockImplementation(() => {
      sockets.push(new net.Socket())
      return sockets.at(-1) as Socket
    })
    const { circuit, connection } = open()
    connection.connect(web())
    await until(() => sockets.length === 1)
    time.abort(new DOMException('over', 'TimeoutError'))
    await until(() => circuit.refused)
    expect([circuit.refused, sockets[0]?.destroyed]).toEqual(['connect-timeout', true])
  })
})

describe('a circuit that ends', () => {
  test('while its name is resolved has nothing dialled', async () => {
    const name = Promise.withResolvers<Uint8Array[]>()
    scene.resolve = () => name.promise
    const connect = jest.spyOn(net, 'connect')
    const { circuit, connection } = open()
    connection.connect(named())
    await nextTurn()
    connection.closed('circuit-closed')
    name.resolve([LOOPBACK])
    await until(() => scene.service.connectionCount === 0)
    expect([connect.mock.calls.length, circuit.events]).toEqual([0, []])
  })

  test('while it connects leaves no socket', async () => {
    const sockets: Socket[] = []
    jest.spyOn(net, 'connect').mockImplementation(() => {
      sockets.push(new net.Socket())
      return sockets.at(-1) as Socket
    })
    const { circuit, connection } = open()
    connection.connect(web())
    await until(() => sockets.length === 1)
    connection.closed('circuit-closed')
    await until(() => scene.service.connectionCount === 0)
    expect([sockets[0]?.destroyed, circuit.events]).toEqual([true, []])
  })

  test('in the very turn in which it is connected leaves no socket', async () => {
    const realConnect = net.connect
    let connection: ReturnType<typeof open>['connection']
    jest.spyOn(net, 'connect').mockImplementation(((options: net.NetConnectOpts) => {
      const socket = realConnect(options)
      socket.once('connect', () => connection.closed('circuit-closed'))
      return socket
    }) as typeof net.connect)
    for (let i = 0; i < 20; i++) {
      const opened = open()
      connection = opened.connection
      connection.connect(web())
      await until(() => scene.service.connectionCount === 0)
      expect(opened.circuit.events).toEqual([])
    }
  })
})

describe('the limits of an exit', () => {
  test('let as many connections as allowed live at once, and one more when one has ended', async () => {
    scene = new ExitScene({ maxConnections: 2 })
    const opened = [open(), open(), open()]
    for (const { connection } of opened) connection.connect(web())
    await until(() => opened.every(({ circuit }) => circuit.events.length === 1))
    expect(opened.map(({ circuit }) => circuit.events[0])).toEqual(['connected 4', 'connected 4', 'refused exit-busy'])
    opened[0]?.connection.closed('circuit-closed')
    await until(() => scene.service.connectionCount === 1)
    const again = open()
    again.connection.connect(web())
    await until(() => again.circuit.events[0] === 'connected 4')
  })

  test('let one neighbour make so many connections a second, without harm to others', async () => {
    scene = new ExitScene({ connectsPerSecond: 2, connectBurst: 3 })
    await new Promise((resolve) => server.close(resolve))
    const [greedy, modest] = [peerOf(1), peerOf(2)]
    const attempt = async (from: ReturnType<typeof peerOf>): Promise<string> => {
      const { circuit, connection } = open(from)
      connection.connect(web())
      return until(() => circuit.refused)
    }
    const refusals = []
    for (let i = 0; i < 4; i++) refusals.push(await attempt(greedy))
    expect(refusals).toEqual([...Array(3).fill('connection-refused'), 'exit-busy'])
    expect(await attempt(modest)).toBe('connection-refused')
    scene.clock.advance(500)
    expect([await attempt(greedy), await attempt(greedy)]).toEqual(['connection-refused', 'exit-busy'])
  })

  test('count no connection twice, however it ends', async () => {
    const { connection } = open()
    connection.connect(web())
    const far = await until(() => accepted[0])
    await until(() => scene.service.connectionCount === 1)
    far.resetAndDestroy()
    connection.closed('connection-reset')
    connection.closed('connection-reset')
    await until(() => scene.service.connectionCount === 0)
    await nextTurn()
    expect(scene.service.connectionCount).toBe(0)
  })

  test('have a policy that mail relaying and Windows file sharing are no part of', () => {
    expect(DEFAULT_EXIT_POLICY.filter(({ action }) => action === 'reject')).toHaveLength(5)
  })
})

describe('what is told of several addresses that failed', () => {
  const error = (code: string): Error => Object.assign(new Error(code), { code })

  test.each([
    [['ETIMEDOUT', 'ECONNREFUSED'], 'connection-refused'],
    [['ETIMEDOUT', 'EHOSTUNREACH'], 'host-unreachable'],
    [['ENETUNREACH'], 'network-unreachable'],
    [['EADDRNOTAVAIL'], 'network-unreachable'],
    [['EHOSTDOWN'], 'host-unreachable'],
    [['ETIMEDOUT'], 'connect-timeout'],
    [['EPERM'], 'policy-refused'],
    [['EACCES'], 'policy-refused'],
    [['EMFILE'], 'exit-busy'],
    [['ENFILE'], 'exit-busy'],
    [['ECONNRESET'], 'connection-refused'],
    [['ESOMETHING'], 'connect-timeout'],
    [[], 'connect-timeout'],
  ])('%j is %s', (codes, fault) => {
    expect(faultOfConnect(codes.map(error))).toBe(fault)
  })

  test('is something for anything that is thrown', () => {
    for (const thrown of [new DOMException('x', 'TimeoutError'), new Error('x'), 'text', {}])
      expect(faultOfConnect([thrown])).toBe('connect-timeout')
  })
})
