import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'
import { CELL_TYPES } from '../../shared/cell/cell.ts'
import { FRAME_TYPES } from '../../shared/link/frame.ts'
import { flipBit } from '../support/hex.ts'
import { type ClientRecord, MemoryNetwork } from '../support/memory-network.ts'
import { RawExit } from '../support/raw-circuit.ts'

/*
 * Why a circuit ends is told to nobody on the way: every CLOSE is the same eight bytes but for the id, and the answer that says
 * why looks like any other.
 */

const PATH = ['a', 'b', 'c']
const FAULT_CODES = Object.keys(FAULTS) as FaultCode[]
/** Reasons behind this one are an exit's (SPEC section 12). */
const LAST_ANSWER_BYTE = 0x1f
type Ending = (network: MemoryNetwork, client: ClientRecord) => Promise<void> | void

const after =
  (open: Ending): Ending =>
  async (network, client) => {
    await network.run()
    await open(network, client)
  }
const flip =
  (wire: string, type: number): Ending =>
  (network) => {
    let done = false
    network.tamper = (header, frame, from, to) => {
      const hit = !done && header.type === type && `${from}>${to}` === wire
      done ||= hit
      return [hit ? flipBit(frame, 1000) : frame]
    }
  }
const send: Ending = (network, client) => {
  for (let i = 0; i < 2; i++) client.circuit.write(new Uint8Array(10)) // a SWITCH, then a CELL
  network.hub('c').exits[0]?.circuit().write(new Uint8Array(10))
}

const ENDINGS: Readonly<Record<string, Ending>> = {
  cleanly: after((network, client) => {
    client.circuit.finish()
    network.hub('c').exits[0]?.circuit().finish()
  }),
  'by a reset of the client': after((_network, client) => client.circuit.reset()),
  'by a reset of the destination': after((network) => network.hub('c').exits[0]?.circuit().reset()),
  'by a hub that stops': after((network) => network.hub('b').service.close()),
  'by an exit that stops': after((network) => network.hub('c').service.close()),
  'by a changed cell on its way out': after((network, client) => {
    flip('a>b', CELL_TYPES.cell)(network, client)
    send(network, client)
  }),
  'by a changed cell on its way back': after((network, client) => {
    flip('c>b', CELL_TYPES.cell)(network, client)
    send(network, client)
  }),
  'by a changed CREATE': flip('a>b', CELL_TYPES.create),
  'by a changed ANSWER': flip('b>a', CELL_TYPES.answer),
  'because a hub drains': (network) => network.hub('b').service.drain(),
  'because an exit drains': (network) => network.hub('c').service.drain(),
  'because a hub is not reached': (network) => {
    const failed = Promise.reject(new Fault('link-closed'))
    failed.catch(() => {})
    network.dialling.set('c', failed)
  },
  'because a hub does not answer': (network) => void new RawExit(network.hub('c'), false),
  'because the destination refuses': after((network) =>
    network.hub('c').exits[0]?.circuit().refuse('connection-refused'),
  ),
  'because the client gives up': async (network, client) => {
    network.dialling.set('b', new Promise(() => {}))
    await network.run()
    client.circuit.reset()
  },
}

/** All that crosses each wire after the circuit was open or refused: sizes, types, and the CLOSE frames as they are. */
async function observed(name: string): Promise<{ closes: string[]; answers: Set<string> }> {
  const refusing = name === 'because the destination refuses'
  const network = new MemoryNetwork(PATH, refusing ? { onConnect: () => {} } : {})
  const client = network.open('client', PATH)
  const closes: string[] = []
  const answers = new Set<string>()
  const note = (type: number, frame: Uint8Array, id: number): void => {
    if (type === FRAME_TYPES.close) closes.push(`${toHex(frame)} of ${id}`)
    if (type === FRAME_TYPES.answer) answers.add(`${frame[1]} ${frame.length}`)
  }
  await (ENDINGS[name] as Ending)(network, client)
  const tamper = network.tamper
  network.tamper = (header, frame, from, to) => {
    note(header.type, frame, header.circuitId)
    return tamper(header, frame, from, to)
  }
  await network.run()
  await network.pass(31_000, [client])
  expect([client.closed, network.remains]).toEqual([true, []])
  return { closes, answers }
}

describe('the end of a circuit', () => {
  test.each(Object.keys(ENDINGS))('%s: every CLOSE that crosses a wire is the same', async (name) => {
    const { closes, answers } = await observed(name)
    expect(closes.length).toBeGreaterThan(0)
    for (const close of closes) {
      const [bytes, , id] = close.split(' ')
      expect(bytes).toBe(`08000000${Number(id).toString(16).padStart(8, '0')}`)
    }
    for (const answer of answers) expect(answer).toBe('1 512')
  })

  test.each(['a>client', 'b>a'])(
    'that the exit explains to the client looks like any small cell (%s)',
    async (wire) => {
      const refusals = FAULT_CODES.filter((code) => FAULTS[code].wire > LAST_ANSWER_BYTE)
      const seen = new Map<string, string>()
      for (const because of [...refusals, 'a reset', 'data'] as const) {
        const network = new MemoryNetwork(['a', 'b'], { onConnect: () => {} })
        network.open('client', ['a', 'b'])
        await network.run()
        const crossed: string[] = []
        network.tamper = (header, frame, from, to) => {
          if (`${from}>${to}` === wire) crossed.push(`${header.type} of ${frame.length}`)
          return [frame]
        }
        const circuit = network.hub('b').exits[0]!.circuit()
        if (because !== 'a reset' && because !== 'data') circuit.refuse(because)
        else circuit.connected(4)
        await network.run()
        const [first] = crossed
        if (because === 'a reset') circuit.reset()
        if (because === 'data') circuit.write(Uint8Array.of(1))
        await network.run()
        const next = crossed.filter((one) => one.startsWith(`${CELL_TYPES.cell} `)).at(-1)
        seen.set(because, [first, next].join(' and '))
      }
      expect(refusals.length).toBeGreaterThan(5)
      expect(new Set(seen.values())).toEqual(new Set(['5 of 512 and 5 of 512']))
    },
  )
})
