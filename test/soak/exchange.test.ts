import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { afterEach, describe, expect, test } from '@jest/globals'
import { type Exchanged, type ExchangeOptions, exchange } from './exchange.ts'
import { HEADER_BYTES, readHeader, writeHeader } from './header.ts'

const cleanUp: (() => unknown)[] = []

afterEach(() => {
  for (const step of cleanUp.splice(0)) step()
})

/** A connection, both ends of it, with something in between that hands it on. */
async function connectBy(handOn: (from: Socket, to: Socket) => void): Promise<[Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>()
  const destination = await listen(net.createServer({ allowHalfOpen: true }, accepted.resolve))
  const between = await listen(
    net.createServer({ allowHalfOpen: true }, (from) => {
      const to = connectTo(destination)
      from.on('error', () => to.destroy())
      handOn(from, to)
    }),
  )
  const here = connectTo(between)
  const there = await accepted.promise
  cleanUp.push(() => there.destroy())
  return [here, there]
}

function connectTo(port: number): Socket {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  socket.on('error', () => socket.destroy())
  cleanUp.push(() => socket.destroy())
  return socket
}

async function listen(server: Server): Promise<number> {
  cleanUp.push(() => server.close())
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return (server.address() as AddressInfo).port
}

const both = ([here, there]: readonly [Socket, Socket], options: ExchangeOptions): Promise<[Exchanged, Exchanged]> =>
  Promise.all([exchange(here, options), exchange(there, { ...options, endsLast: !options.endsLast })])

const faithfully = (from: Socket, to: Socket): void => {
  from.pipe(to).pipe(from)
}

describe('an exchange', () => {
  test.each([
    [1, true],
    [65_536, false],
    [1_000_000, true],
    [1_000_000, false],
  ])('of %i bytes each way shows both ends the same, whoever ends last (%s)', async (bytes, endsLast) => {
    const [here, there] = await both(await connectBy(faithfully), { bytes, endsLast })
    expect([here.bytesReceived, there.bytesReceived]).toEqual([bytes, bytes])
    expect([here.received, there.received]).toEqual([there.sent, here.sent])
    expect(here.sent).not.toBe(there.sent)
  })

  test('shows that one bit was changed on the way', async () => {
    const [here, there] = await both(
      await connectBy((from, to) => {
        let seen = 0
        const flip = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            if (seen === 0) chunk[0] = (chunk[0] as number) ^ 1
            seen += chunk.length
            done(null, chunk)
          },
        })
        from.pipe(flip).pipe(to).pipe(from)
      }),
      { bytes: 200_000, endsLast: false },
    )
    expect(there.bytesReceived).toBe(200_000)
    expect(there.received).not.toBe(here.sent)
    expect(here.received).toBe(there.sent)
  })

  test('lacks the last bytes on a way that ends both directions with the first end', async () => {
    const ends = await connectBy((from, to) => {
      faithfully(from, to)
      from.once('end', () => from.destroy())
    })
    const [here] = await both(ends, { bytes: 200_000, endsLast: false })
    expect(here.bytesReceived).toBe(3 * 65_536)
  })
})

test('the header of a connection comes back as it was', () => {
  const header = { id: 7, bytes: 12_345_678_901, endsLast: true }
  const bytes = writeHeader(header)
  expect([bytes.length, readHeader(Buffer.from(bytes))]).toEqual([HEADER_BYTES, header])
})
