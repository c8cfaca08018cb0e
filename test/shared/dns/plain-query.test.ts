import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemRandom } from '../../../shared/base/random.ts'
import { askNameServers, type NameServer } from '../../../shared/dns/plain-query.ts'
import { freePort } from '../../net/free-port.ts'
import { askFor, readAnswer } from '../../support/dns-questions.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { ZoneServer } from '../../support/zone-server.ts'

const LOOPBACK = Uint8Array.of(127, 0, 0, 1)
const TEXTS = Array.from({ length: 20 }, (_, i) => ({ type: 'TXT', data: [`${i}${'x'.repeat(200)}`] }))

let server: ZoneServer
let address: NameServer
const never = new AbortController().signal

beforeEach(async () => {
  server = new ZoneServer({ 'a.test': [{ type: 'A', data: '9.9.9.9' }], 'long.test': TEXTS })
  address = { ip: LOOPBACK, port: await server.startPlain() }
})

afterEach(() => server.close())

describe('a name server', () => {
  test('is asked over UDP, by a query with an id of its own each time', async () => {
    for (let i = 0; i < 5; i++) {
      const answer = await askNameServers([address], askFor('a.test'), systemRandom, never)
      expect(readAnswer(answer).data).toEqual(['9.9.9.9'])
    }
    expect(new Set(server.asked.map(({ id }) => id)).size).toBeGreaterThan(2)
    expect(server.asked.map(({ transport }) => transport)).toEqual(Array(5).fill('udp'))
  })

  test('is asked over TCP for what does not fit', async () => {
    const answer = await askNameServers([address], askFor('long.test', 16), systemRandom, never)
    expect(readAnswer(answer).data).toHaveLength(20)
    expect(server.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp'])
  })

  test('is believed only with the right id and question', async () => {
    const forge = (change: (bytes: Buffer) => unknown) => {
      server.alter = (answer) => {
        const forged = Buffer.from(Uint8Array.from(answer))
        change(forged)
        return forged
      }
    }
    const changes: ((bytes: Buffer) => unknown)[] = [
      (bytes) => bytes.writeUInt8(bytes.readUInt8(1) ^ 1, 1),
      (bytes) => bytes.write('b', 13),
      (bytes) => bytes.writeUInt8(bytes.readUInt8(2) & 0x7f, 2),
      (bytes) => bytes.writeUInt8(9, bytes.length - 1),
    ]
    for (const change of changes) {
      forge(change)
      const signal = AbortSignal.timeout(200)
      expect((await rejectionOf(askNameServers([address], askFor('a.test'), systemRandom, signal))).code).toBe(
        'cancelled',
      )
    }
  })

  test('that is not there is passed over at once for the next', async () => {
    const gone = { ip: LOOPBACK, port: await freePort('127.0.0.1') }
    const answer = await askNameServers([gone, address], askFor('a.test'), systemRandom, never)
    expect(readAnswer(answer).data).toEqual(['9.9.9.9'])
    expect((await rejectionOf(askNameServers([gone], askFor('a.test'), systemRandom, never))).code).toBe('name-failed')
  })

  test('that says nothing is asked twice, then given up', async () => {
    server.alter = () => undefined
    expect((await rejectionOf(askNameServers([address], askFor('a.test'), systemRandom, never))).code).toBe(
      'name-failed',
    )
    expect(server.asked).toHaveLength(2)
  })
})
