import { describe, expect, test } from '@jest/globals'
import { capacityOf } from '../../shared/cell/cell.ts'
import { MAX_CELL_MESSAGES, type Message } from '../../shared/cell/message.ts'
import { INITIAL_CREDIT_BYTES } from '../../shared/link/credit.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawClient, RawExit, WEB } from '../support/raw-circuit.ts'
import { usedBytes } from '../support/used-bytes.ts'

/*
 * Cells of messages of one byte: each message is an object in the memory of who waits for a slow destination or app, but
 * credit counts the bytes of cells.
 */

const ONE_BYTE: Message = { type: 'data', bytes: Uint8Array.of(65) }
const MOST = Math.floor(capacityOf(4) / 4)
const CELL_BYTES = 512

/** Nobody takes what comes: the exit does not connect, and nothing is given back. */
const stuck = (): MemoryNetwork => new MemoryNetwork(['a'], { autoRelease: false, onConnect: () => {} })

async function stuckCircuit(network: MemoryNetwork): Promise<RawClient> {
  const client = new RawClient(network, ['a'], { target: WEB })
  await network.run()
  client.switch()
  await network.run()
  return client
}

describe('a cell of thousands of messages', () => {
  test.each([MOST, MAX_CELL_MESSAGES + 1])(
    'of one byte (%i) ends the circuit of a client, and nothing of it waits',
    async (count) => {
      const network = stuck()
      const client = await stuckCircuit(network)
      client.send(cellOf(...Array(count).fill(ONE_BYTE)), 5, 4)
      await network.run()
      const [exit] = network.hub('a').exits
      expect([exit?.received, exit?.events, client.closed]).toEqual([[], ['closed cell-rejected'], true])
    },
  )

  test('ends the circuit of an exit, and nothing of it waits for the app', async () => {
    const network = stuck()
    const exit = new RawExit(network.hub('a'))
    const client = network.open('client', ['a'])
    await network.run()
    exit.send(cellOf({ type: 'opened', family: 4 }))
    exit.send(cellOf(...Array(MOST).fill(ONE_BYTE)), 4)
    await network.run()
    expect([client.received, client.events]).toEqual([[], ['opened 4', 'closed cell-rejected']])
  })
})

test('as many messages in the smallest cells as are allowed, as long as credit lasts, cost an exit a few times their cells', async () => {
  const circuits = 20
  const network = stuck()
  const clients = []
  for (let i = 0; i < circuits; i++) clients.push(await stuckCircuit(network))
  const cell = cellOf(...Array(MAX_CELL_MESSAGES).fill(ONE_BYTE))
  const before = await usedBytes()
  let sent = 0
  for (const client of clients) {
    for (let left = INITIAL_CREDIT_BYTES - 16_384; left >= CELL_BYTES; left -= CELL_BYTES) {
      client.send(cell)
      sent += CELL_BYTES
    }
    await network.run()
  }
  const held = network.hub('a').exits.reduce((sum, { received }) => sum + received.length, 0)
  expect(held).toBe((sent / CELL_BYTES) * MAX_CELL_MESSAGES)
  expect((await usedBytes()) - before).toBeLessThan(4 * sent)
})
