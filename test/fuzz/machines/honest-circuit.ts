import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { equalBytes } from '../../../shared/base/bytes.ts'
import type { FaultCode } from '../../../shared/base/fault-codes.ts'
import { type ClientRecord, concatAll } from '../../support/memory-network.ts'
import { promise } from '../fuzz-target.ts'
import { CircuitMachine, runSteps } from './circuit-machine.ts'
import { Tampering } from './tampering.ts'

/** A client and an exit that keep to the rules, hubs between them, and somebody who changes frames on their way. */
interface Scene {
  readonly machine: CircuitMachine
  readonly client: ClientRecord
  readonly tampering: Tampering
  readonly forward: number[]
  readonly backward: number[]
  /** One of the two ended the circuit, or a hub did. */
  ended: boolean
}

const REFUSALS: readonly FaultCode[] = ['connection-refused', 'policy-refused', 'exit-busy', 'name-failed']

const exitOf = ({ machine }: Scene) => machine.exits[0]?.circuit()

/** So many bytes that are unlike those before. */
function write(log: number[], length: number, to: (bytes: Uint8Array) => boolean): void {
  const bytes = Uint8Array.from({ length }, (_, i) => (log.length + i) % 251)
  to(bytes)
  for (const byte of bytes) log.push(byte)
}

const STEPS: readonly ((scene: Scene, input: ByteReader) => void | Promise<void>)[] = [
  (scene) => {
    if (exitOf(scene)?.state.at === 'connecting') exitOf(scene)?.connected(4)
  },
  (scene, input) => {
    const length = input.u16() % 20_000
    if (isWritable(scene.client)) write(scene.forward, length, (bytes) => scene.client.circuit.write(bytes))
  },
  (scene, input) => {
    const length = input.u16() % 20_000
    const state = exitOf(scene)?.state
    if (state?.at !== 'open' || state.finSent) return
    write(scene.backward, length, (bytes) => exitOf(scene)?.write(bytes) ?? false)
  },
  (scene) => scene.client.circuit.finish(),
  (scene) => exitOf(scene)?.finish(),
  (scene) => {
    scene.ended = true
    scene.client.circuit.reset()
  },
  (scene) => {
    scene.ended = true
    exitOf(scene)?.reset()
  },
  (scene, input) => {
    const because = REFUSALS[input.u8() % REFUSALS.length] as FaultCode
    if (exitOf(scene)?.state.at === 'connecting') scene.ended = true
    exitOf(scene)?.refuse(because)
  },
  (scene, input) => scene.client.circuit.release(input.u8() << 8),
  (scene, input) => exitOf(scene)?.release(input.u8() << 8),
  async (scene, input) => {
    const ms = input.u8() * 400
    scene.ended ||= ms >= 10_000
    await scene.machine.network.pass(ms, [scene.client])
  },
  (scene, input) => scene.tampering.plan(input),
  (scene, input) => {
    scene.ended = true
    scene.machine.network.hub(scene.machine.path[input.u8() % scene.machine.path.length] as string).service.close()
  },
]

function isWritable({ circuit: { state } }: ClientRecord): boolean {
  return state.at === 'opening' || (state.at === 'open' && !state.finSent)
}

/** hops and options u8 | steps */
export async function runHonest(input: Uint8Array): Promise<string> {
  const reader = new ByteReader(input)
  const setup = reader.u8()
  const machine = new CircuitMachine((setup & 3) + 1, (setup & 4) === 0)
  const tampering = new Tampering(['client', ...machine.path])
  machine.network.tamper = tampering.tamper
  const client = machine.network.open('client', machine.path, { targetAfterAnswer: (setup & 8) !== 0 })
  const scene: Scene = { machine, client, tampering, forward: [], backward: [], ended: false }
  if ((setup & 16) === 0) await machine.settle()
  await runSteps({ input: reader, scene, steps: STEPS }, () => check(scene))
  if (!scene.ended && tampering.made === 0) promise(!isFailed(client), `nobody broke anything: ${client.fault?.code}`)
  const outcome = outcomeOf(scene)
  client.circuit.reset()
  await machine.checkNothingRemains((now) => client.circuit.tick(now))
  check(scene)
  promise(client.closed, 'the client was told of the end')
  return outcome
}

function check({ client, machine, forward, backward }: Scene): void {
  const exit = machine.exits[0]
  const got = concatAll(exit?.received ?? [])
  promise(isStart(got, forward), 'the exit gets what the client sent, in order')
  promise(isStart(concatAll(client.received), backward), 'the client gets what the exit sent, in order')
  const ends = client.events.filter((event) => event.startsWith('closed')).length
  promise(ends === (client.closed ? 1 : 0), 'the client is told once')
  promise(!client.closed || client.events.at(-1)?.startsWith('closed') === true, 'and of nothing behind it')
  if (client.events.at(-1) === 'closed cleanly') {
    promise(concatAll(client.received).length === backward.length, 'a clean end means that all has come')
  }
  if (exit?.events.at(-1) === 'closed cleanly') promise(got.length === forward.length, 'at both ends')
  for (const event of ['finished', 'opened 4']) {
    promise(client.events.filter((one) => one === event).length <= 1, `${event} once`)
  }
}

function isFailed({ fault, closed }: ClientRecord): boolean {
  return closed && fault !== undefined
}

function isStart(bytes: Uint8Array, of: readonly number[]): boolean {
  return equalBytes(bytes, Uint8Array.from(of.slice(0, bytes.length)))
}

function outcomeOf({ client, machine, tampering }: Scene): string {
  const ends = [client.events, machine.exits[0]?.events ?? []].map((events) => events.at(-1)?.split(' ').at(-1))
  return `${ends} ${tampering.made > 0}`
}
