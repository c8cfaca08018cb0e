import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'
import type { HostProcess } from './host-process.ts'

/** A server that runs in a host, on all its addresses. It ends with the world, or by `process.stop()`. */
export interface Destination {
  readonly process: HostProcess
  /** Name of the host in the DNS of the world. */
  readonly name: string
  readonly port: number
}

/** Web server: GET /address, GET /data?bytes=N&seed=S, POST /echo; see `http-server.ts`. */
export function serveHttp(host: Host, port = 80): Promise<Destination> {
  return serve(host, 'http-server.ts', port)
}

/** Echo on TCP and UDP. */
export function serveEcho(host: Host, port = 7): Promise<Destination> {
  return serve(host, 'echo-server.ts', port)
}

/** Tells callers on TCP and UDP their address and port; see `address-server.ts`. */
export function serveAddress(host: Host, port = 1234): Promise<Destination> {
  return serve(host, 'address-server.ts', port)
}

/** Answers the first caller of TCP and of UDP, for each family, and leaves; see `leaving-server.ts`. */
export function serveLeaving(host: Host, port: number): Promise<Destination> {
  return serve(host, 'leaving-server.ts', port)
}

export const STUN_PORTS = [3478, 3479] as const

/** Tells callers on UDP by STUN where they are seen, on two ports; see `stun-server.ts`. */
export async function serveStun(host: Host): Promise<void> {
  await serve(host, 'stun-server.ts', ...STUN_PORTS)
}

/** The server of iperf3. It writes the address of each stream that it receives. */
export async function serveIperf(host: Host): Promise<Destination> {
  const process = host.spawn('iperf3', ['--server', '--forceflush'])
  await process.line(/^Server listening/)
  return { process, name: host.dnsName, port: 5201 }
}

/** A new folder for the files of one destination in the world's own folder. */
export function destinationFolder(worldFolder: string, kind: string): string {
  return mkdtempSync(join(worldFolder, `${kind}-`))
}

async function serve(host: Host, script: string, port: number, ...more: number[]): Promise<Destination> {
  const process = host.node(fileURLToPath(new URL(script, import.meta.url)), [port, ...more].map(String))
  await process.line(/^ready$/)
  return { process, name: host.dnsName, port }
}
