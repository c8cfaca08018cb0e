import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'
import type { HostProcess } from './host-process.ts'
import { type Packet, parsePacket } from './packet.ts'
import { parsePcap } from './pcap.ts'
import { inUserNamespace } from './support.ts'
import { routerInterface } from './wires.ts'
import type { World } from './world.ts'

/** A running capture of one wire. */
export interface Capture {
  /** Ends it and gives all that crossed the wire until this call, in order. To be called once. */
  stop(): Promise<Packet[]>
}

const MARK_MS = 120_000
const POLL_MS = 20
/** The port for packets that nobody reads (RFC 863). */
const DISCARD = 9
const PYTHON = fileURLToPath(new URL('capture.py', import.meta.url))
const SEND_MARK = `
const [address, text] = process.argv.slice(1)
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
socket.send(text, ${DISCARD}, address, () => socket.close())
`

/**
 * Captures the wire of a host, all frames in full, either where they reach the host (before any rule of its firewall on
 * the way in, behind them on the way out) or at the router's end. Resolves once it runs.
 */
export async function capture(world: World, host: Host, end: 'host' | 'router' = 'host'): Promise<Capture> {
  const file = join(world.folder, `${randomUUID()}.pcap`)
  const [place, name] = end === 'host' ? [host, 'eth0'] : [world.internet, routerInterface(host.name)]
  const tcpdump = ['-i', name, '-n', '-U', '-B', '65536', '--immediate-mode', '-Z', 'root', '-w', file]
  const recorder = inUserNamespace() ? place.spawn('python3', [PYTHON, name, file]) : place.spawn('tcpdump', tcpdump)
  await recorder.line(/listening on/)
  return { stop: () => stop(world, host, recorder, file) }
}

/**
 * A packet with a mark goes over the wire, and what the file holds up to it is everything: frames reach the file in the
 * order in which they crossed the wire. (A program that is told to end may leave frames unread in its buffer.)
 */
async function stop(world: World, host: Host, recorder: HostProcess, file: string): Promise<Packet[]> {
  const mark = randomUUID()
  const [address = ''] = [host.plan.ipv4, host.plan.ipv6].flatMap((wire) => (wire === undefined ? [] : [wire.address]))
  await world.internet.mustRun(process.execPath, ['-e', SEND_MARK, address, mark])
  await waitFor(file, mark)
  await recorder.stop()
  const packets = parsePcap(await readFile(file)).map(parsePacket)
  await rm(file)
  const end = packets.findIndex(({ ip }) => ip !== undefined && Buffer.from(ip.payload).includes(mark))
  if (end < 0) throw new Error(`the capture of ${host.name} lost packets: the mark at its end is missing`)
  return packets.slice(0, end)
}

async function waitFor(file: string, mark: string): Promise<void> {
  const deadline = performance.now() + MARK_MS
  const handle = await open(file)
  try {
    let at = 0
    while (performance.now() < deadline) {
      const { found, end } = await search(handle, at, mark)
      if (found) return
      at = Math.max(0, end - mark.length)
      await sleep(POLL_MS)
    }
  } finally {
    await handle.close()
  }
}

/** Looks for the mark from `at` on, up to where the file ends now. */
async function search(handle: FileHandle, at: number, mark: string): Promise<{ found: boolean; end: number }> {
  const chunk = Buffer.alloc(1 << 20)
  let end = at
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, end)
    if (chunk.subarray(0, bytesRead).includes(mark)) return { found: true, end }
    if (bytesRead < chunk.length) return { found: false, end: end + bytesRead }
    end += bytesRead - mark.length
  }
}
