/**
 * Pings through a network of its own on loopback, in a network namespace: first as long as the system gives nobody the
 * right, then with it. Prints what came of it as one JSON line. Its argument is the namespace that it must not be in.
 */
import { readlinkSync, writeFileSync } from 'node:fs'
import { ECHO_BURST } from '../../../hub/exit-echo.ts'
import type { IpAddress } from '../../../shared/base/ip-address.ts'
import type { ClientCircuit } from '../../../shared/circuit/client-circuit.ts'
import { RawClient } from '../../bench/raw-client.ts'
import { LoopbackNetwork } from '../../net/loopback-network.ts'
import { until } from '../../support/until.ts'

const RANGE = '/proc/sys/net/ipv4/ping_group_range'
const FOUR = Uint8Array.of(127, 0, 0, 1)
const SIX = Uint8Array.from([...new Uint8Array(15), 1])
/** More than a circuit may send at once. */
const FLOOD = 200

// The range is of the whole namespace: that of whoever runs the tests stays as it is.
if (readlinkSync('/proc/self/ns/net') === process.argv[2]) throw new Error('only in a namespace of its own')

interface Pinged {
  readonly circuit: ClientCircuit
  readonly replies: string[]
  end: string | undefined
}

function open(client: RawClient, address: IpAddress): Promise<Pinged> {
  const replies: string[] = []
  let opened = false
  const circuit = client.open(
    [0, 1, 2],
    { kind: 'echo', address },
    {
      opened: () => {
        opened = true
      },
      packet: (message) => {
        if (message.type === 'echo') replies.push(`${message.sequence} ${Buffer.from(message.bytes)}`)
      },
      ...{ data() {}, finished() {}, writable() {} },
      closed: (fault) => {
        pinged.end = fault?.code ?? 'cleanly'
      },
    },
  )
  const pinged: Pinged = { circuit, replies, end: undefined }
  return until(() => (opened || pinged.end !== undefined) && pinged)
}

async function ping(client: RawClient, address: IpAddress): Promise<string[]> {
  const pinged = await open(client, address)
  if (pinged.end !== undefined) return [pinged.end]
  for (const sequence of [1, 2, 65_535]) {
    pinged.circuit.carry([{ type: 'echo', sequence, bytes: Buffer.from(`ping ${sequence}`) }])
  }
  await until(() => pinged.replies.length === 3)
  return pinged.replies
}

async function flood(client: RawClient): Promise<number> {
  const { circuit, replies } = await open(client, FOUR)
  for (let sequence = 0; sequence < FLOOD; sequence++)
    circuit.carry([{ type: 'echo', sequence, bytes: new Uint8Array(0) }])
  await until(() => replies.length >= ECHO_BURST)
  await new Promise((resolve) => setTimeout(resolve, 500))
  return replies.length
}

const network = new LoopbackNetwork({
  ...{ hubs: 3, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' },
  hub: () => ({ roles: { home: true, relay: true, exit4: true, exit6: true } }),
})
try {
  const client = await RawClient.link(network, await network.start(), 0)
  writeFileSync(RANGE, '1\t0')
  const without = await ping(client, FOUR)
  writeFileSync(RANGE, '0\t2147483647')
  const results = {
    without,
    four: await ping(client, FOUR),
    six: await ping(client, SIX),
    forbidden: await ping(client, Uint8Array.of(10, 0, 0, 1)),
    ofFlood: await flood(client),
  }
  console.log(JSON.stringify(results))
  await client.close()
} finally {
  await network.stop()
}
process.exit(0)
