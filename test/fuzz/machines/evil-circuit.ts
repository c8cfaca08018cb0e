import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { bodyOf, CELL_TYPES, type CellClass, type CellType, capacityOf, newFrame } from '../../../shared/cell/cell.ts'
import { decodeMessages } from '../../../shared/cell/message.ts'
import type { Purpose } from '../../../shared/cell/purpose.ts'
import { type ClientRecord, concatAll } from '../../support/memory-network.ts'
import { cellOf, RawClient, RawExit, WEB } from '../../support/raw-circuit.ts'
import { promise } from '../fuzz-target.ts'
import { MESSAGES } from '../targets/cell-targets.ts'
import { CircuitMachine, runSteps } from './circuit-machine.ts'
import { MessageRules } from './message-rules.ts'

/** One side speaks under keys that are right and keeps to no rule; the other side and the hubs between are real. */
interface EvilSide {
  /** What is sent goes out. */
  readonly isOpen: () => boolean
  /** A cell with these application bytes. */
  send(application: Uint8Array, type: CellType, cellClass: CellClass): void
  /** A frame that is not sealed. */
  frame(type: CellType, frame: Uint8Array): void
}

interface Scene {
  readonly machine: CircuitMachine
  readonly evil: EvilSide
  readonly honest: () =>
    | { connected?(family: 4 | 6): void; write(bytes: Uint8Array): boolean; finish(): void; reset(): void }
    | undefined
  /** All data that the evil side sealed, cell after cell. */
  readonly sent: Uint8Array[]
  /** All cells of an input fit into the first credit, so that none waits and each is judged when all has settled. */
  readonly rules: MessageRules
}

const TYPES = Object.values(CELL_TYPES)
const classOf = (byte: number): CellClass => ((byte % 4) + 1) as CellClass

const STEPS: readonly ((scene: Scene, input: ByteReader) => void | Promise<void>)[] = [
  (scene, input) => sealed(scene, cellOf(MESSAGES[input.u8() % MESSAGES.length] ?? { type: 'reset' }), 'cell', 1),
  (scene, input) => sealed(scene, cellOf(MESSAGES[input.u8() % MESSAGES.length] ?? { type: 'reset' }), 'switch', 1),
  (scene, input) => {
    const cellClass = classOf(input.u8())
    const bytes = input.bytes(Math.min(input.u8(), input.remaining))
    sealed(scene, bytes.subarray(0, capacityOf(cellClass)), 'cell', cellClass)
  },
  (scene, input) => {
    const cellClass = classOf(input.u8())
    const most = capacityOf(cellClass) - 3
    sealed(scene, cellOf({ type: 'data', bytes: new Uint8Array(most).fill(input.u8()) }), 'cell', cellClass)
  },
  (scene, input) => {
    const type = TYPES[input.u8() % TYPES.length] as CellType
    const frame = newFrame(classOf(input.u8()))
    bodyOf(frame).fill(input.u8())
    scene.evil.frame(type, frame)
  },
  (scene, input) => {
    const type = TYPES[input.u8() % TYPES.length] as CellType
    scene.evil.send(new Uint8Array(input.u8()), type, classOf(input.u8()))
  },
  (scene) => scene.honest()?.connected?.(4),
  (scene, input) => void scene.honest()?.write(new Uint8Array(input.u8() * 50)),
  (scene) => scene.honest()?.finish(),
  (scene) => scene.honest()?.reset(),
  (scene, input) => scene.machine.network.pass(input.u8() * 200),
  (scene) => {
    const total = BigInt(concatAll(scene.sent).length)
    sealed(scene, cellOf({ type: 'fin', total }), 'cell', 1)
  },
]

function sealed(
  { evil, sent, rules }: Scene,
  application: Uint8Array,
  type: 'cell' | 'switch',
  cellClass: CellClass,
): void {
  if (!evil.isOpen()) return
  const whole = new Uint8Array(capacityOf(cellClass))
  whole.set(application.subarray(0, whole.length))
  rules.take(whole)
  for (const message of decodeMessages(whole) ?? []) if (message.type === 'data') sent.push(message.bytes)
  evil.send(whole, CELL_TYPES[type], cellClass)
}

/** A connection, unless the bits say that it is UDP or echo. */
function purposeOf(setup: number): Purpose {
  if ((setup & 64) === 0) return WEB
  return (setup & 128) === 0 ? { kind: 'udp' } : { kind: 'echo', address: Uint8Array.of(93, 184, 216, 34) }
}

/** hops and options u8 | steps */
export async function runEvilClient(input: Uint8Array): Promise<string> {
  const reader = new ByteReader(input)
  const setup = reader.u8()
  const machine = new CircuitMachine((setup & 3) + 1, (setup & 4) === 0)
  const named = (setup & 8) === 0 ? purposeOf(setup) : undefined
  const raw = new RawClient(machine.network, machine.path, { target: named })
  if ((setup & 16) === 0) await machine.settle()
  const scene: Scene = {
    machine,
    sent: [],
    rules: new MessageRules('client', named !== undefined, named?.kind),
    honest: () => machine.exits[0]?.circuit(),
    evil: {
      isOpen: () => raw.end.status === 'open',
      send: (application, type, cellClass) => raw.send(application, type, cellClass),
      frame: (type, frame) => void raw.end.send(type, frame),
    },
  }
  const check = (): void => {
    const exit = machine.exits[0]
    const got = concatAll(exit?.received ?? [])
    promise(Buffer.compare(got, concatAll(scene.sent).subarray(0, got.length)) === 0, 'only what was sent, in order')
    const over = exit?.events.at(-1)?.startsWith('closed') === true
    const ended = raw.closed || raw.end.status !== 'open'
    promise(!over || ended, 'both ends are closed after an end')
    promise(!scene.rules.ends || ended, 'what is against the rules ends the circuit')
  }
  await runSteps({ input: reader, scene, steps: STEPS }, check)
  const outcome = `${machine.exits[0]?.events.at(-1)} ${machine.exits[0]?.target[0]?.kind}`
  raw.end.abort()
  await machine.checkNothingRemains(() => {})
  return outcome
}

/** hops and options u8 | steps */
export async function runEvilExit(input: Uint8Array): Promise<string> {
  const reader = new ByteReader(input)
  const setup = reader.u8()
  const machine = new CircuitMachine((setup & 3) + 1, (setup & 4) === 0)
  const raw = new RawExit(machine.network.hub(machine.exitName), (setup & 8) === 0)
  const client: ClientRecord = machine.network.open('client', machine.path, {
    target: purposeOf(setup),
    targetAfterAnswer: (setup & 32) !== 0,
  })
  if ((setup & 16) === 0) await machine.settle()
  const scene: Scene = {
    machine,
    sent: [],
    rules: new MessageRules('exit', false, purposeOf(setup).kind),
    honest: () => client.circuit,
    evil: {
      isOpen: () => raw.end?.status === 'open',
      send: (application, type, cellClass) => {
        if (type === CELL_TYPES.answer && raw.end !== undefined) raw.sendFrame(type, raw.answer(application[0] ?? 0))
        else raw.send(application, cellClass)
      },
      frame: (type, frame) => raw.sendFrame(type, frame),
    },
  }
  const check = (): void => {
    const got = concatAll(client.received)
    promise(Buffer.compare(got, concatAll(scene.sent).subarray(0, got.length)) === 0, 'only what was sent, in order')
    promise(client.events.filter((event) => event.startsWith('closed')).length === (client.closed ? 1 : 0), 'one end')
    promise(
      got.length === 0 || client.events.includes('opened 4') || client.events.includes('opened 6'),
      'OPENED comes first',
    )
    const last = client.events.at(-1)
    promise(!client.closed || last?.startsWith('closed') === true, 'and nothing behind it')
    const ended = raw.end === undefined || raw.end.status !== 'open'
    promise(!client.closed || ended, 'both ends are closed after an end')
    promise(!scene.rules.ends || ended, 'what is against the rules ends the circuit')
  }
  await runSteps({ input: reader, scene, steps: STEPS }, check)
  const outcome = `${client.events.at(-1)}`
  client.circuit.reset()
  raw.end?.abort()
  await machine.checkNothingRemains((now) => client.circuit.tick(now))
  promise(client.closed, 'the client was told of the end')
  return outcome
}
