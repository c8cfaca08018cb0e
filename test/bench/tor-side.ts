import type { LoadGenerator } from './load-generator.ts'
import { report } from './report.ts'
import { FIRST_BYTES, type Side, WORKERS } from './side-by-side.ts'
import { type CircuitUse, circuitUse } from './tor-circuits.ts'
import type { TorScheduler } from './tor-config.ts'
import { TorControl } from './tor-control.ts'
import type { TorReady } from './tor-network.ts'

/** A Tor network that is up, with its control port. */
export interface TorSide extends Side {
  readonly control: TorControl
}

/**
 * Switches off that Tor builds circuits on suspicion (it needs those to start), and closes all circuits before each
 * measurement: then each connection, as it names a user of its own, waits for a circuit that is begun for it.
 */
export async function torSide(
  { socksPort, controlPort, clientPid, relayPids }: TorReady,
  scheduler: TorScheduler,
  bulkPort: number,
): Promise<TorSide> {
  const control = new TorControl(controlPort)
  await control.command('AUTHENTICATE')
  await control.command('SETCONF __DisablePredictedCircuits=1')
  return {
    name: `tor.${scheduler}`,
    target: { proxy: { host: '127.0.0.1', port: socksPort }, port: bulkPort, ownUsers: true },
    pids: [clientPid, ...relayPids],
    prepare: () => control.closeCircuits(),
    control,
  }
}

/** Watches Tor do what was measured, apart from the measurement: every connection on a new circuit of its own? */
export async function reportCircuitUse(load: LoadGenerator, side: TorSide): Promise<void> {
  const { name, target, control } = side
  const one = await watched(side, () => load.firstBytes(target, [], FIRST_BYTES))
  const many = await watched(side, () => load.churn(target, [], { workers: WORKERS, seconds: 2 }))
  control.close()
  const percent = (part: number, { streams }: CircuitUse): number => (100 * part) / streams
  report(`${name}.ttfb.new_circuit_pct`, percent(one.begunAfter, one), '%')
  report(`${name}.ttfb.own_circuit_pct`, percent(one.own, one), '%')
  report(`${name}.conn.own_circuit_pct`, percent(many.own, many), '%')
  report(`${name}.conn.three_hops_pct`, percent(many.hops.get(3) ?? 0, many), '%')
  report(`${name}.conn.circuits_begun_each`, many.launched / many.streams, 'circuits')
}

async function watched({ control, prepare }: TorSide, measure: () => Promise<unknown>): Promise<CircuitUse> {
  await prepare()
  await control.command('SETEVENTS CIRC STREAM')
  control.takeLines()
  await measure()
  await control.command('SETEVENTS')
  return circuitUse(control.takeLines())
}
