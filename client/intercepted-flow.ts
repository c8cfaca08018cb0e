import type { Socket } from 'node:net'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { SocketPump } from '../shared/circuit/socket-pump.ts'
import type { App } from './apps/app.ts'
import type { TunnelOpener, TunnelSink } from './connector.ts'
import type { InterceptedFlow, Refusal } from './interception/interception-api.ts'

/** What the app is told for each way in which a connection can fail before it is open; everything else is a silence. */
const REFUSALS: Partial<Record<FaultCode, Refusal>> = {
  'connection-refused': 'reset',
  'connection-reset': 'reset',
  'host-unreachable': 'unreachable',
  'network-unreachable': 'unreachable',
  'family-refused': 'unreachable',
  'path-no-exit': 'unreachable',
  'policy-refused': 'reset',
  'destination-forbidden': 'reset',
  'rule-blocked': 'reset',
  'rule-dropped': 'drop',
  'wish-unmet': 'reset',
  'connect-timeout': 'drop',
}

/** A failure of the network, not of the destination: the app shall not wait for it. */
const NETWORK_FAILED: Refusal = 'unreachable'

/**
 * Takes an intercepted connection through the network. Its first packet waits until the exit has connected: the app
 * is told the truth about the destination, and its socket only opens when there is somebody at the other end.
 *
 * @param app whose it is; nothing here waits for it
 */
export function tunnelFlow(
  flow: InterceptedFlow,
  connector: Pick<TunnelOpener, 'open'>,
  app: Promise<App | undefined>,
): void {
  const { address, port } = flow.destination
  let pump: SocketPump | undefined
  let held: { bytes: Uint8Array; cost: number }[] = []
  let finished = false
  let over: { clean: boolean } | undefined
  let opened = false

  const useSocket = (socket: Socket | undefined): void => {
    if (socket === undefined) return tunnel.reset()
    pump = new SocketPump(socket, tunnel)
    for (const { bytes, cost } of held) pump.data(bytes, cost)
    held = []
    if (finished) pump.finished()
    if (over !== undefined) pump.closed(over.clean)
  }

  const sink: TunnelSink = {
    opened: () => {
      opened = true
      flow.admit(useSocket)
    },
    data: (bytes, cost) => {
      if (pump === undefined) held.push({ bytes, cost })
      else pump.data(bytes, cost)
    },
    finished: () => {
      finished = true
      pump?.finished()
    },
    writable: () => pump?.writable(),
    closed: (fault) => {
      over = { clean: fault === undefined }
      if (!opened) flow.refuse(fault === undefined ? NETWORK_FAILED : (REFUSALS[fault.code] ?? NETWORK_FAILED))
      else pump?.closed(over.clean)
    },
  }
  const tunnel = connector.open({ kind: 'ip', address, port }, 'intercepted', sink, app)
}
