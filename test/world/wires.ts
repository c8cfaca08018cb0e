import { setTimeout as sleep } from 'node:timers/promises'
import { mustRun } from './command.ts'
import type { HostPlan, LineSpec } from './host-plan.ts'

/*
 * The wires of the world: one router namespace, one pair of virtual Ethernet interfaces from it to each host.
 * A host's end is called `eth0`, the router's end `to-<host>`.
 */

const READY_MS = 30_000

/** No waiting for addresses, no advertised routes, answers to everything unreachable at once, ports for everybody. */
const SETTINGS = {
  'ipv6/conf/all/accept_dad': 0,
  'ipv6/conf/default/accept_dad': 0,
  'ipv6/conf/default/dad_transmits': 0,
  'ipv6/conf/default/accept_ra': 0,
  'ipv6/conf/default/router_solicitations': 0,
  'ipv6/conf/all/keep_addr_on_down': 1,
  'ipv6/conf/default/keep_addr_on_down': 1,
  'ipv4/icmp_ratelimit': 0,
  'ipv6/icmp/ratelimit': 0,
  'ipv4/ip_unprivileged_port_start': 0,
}

const ROUTER_SETTINGS = {
  ...SETTINGS,
  'ipv4/ip_forward': 1,
  'ipv6/conf/all/forwarding': 1,
  'ipv4/conf/all/rp_filter': 0,
  'ipv4/conf/default/rp_filter': 0,
  'ipv4/conf/all/send_redirects': 0,
  'ipv4/conf/default/send_redirects': 0,
}

export function routerInterface(host: string): string {
  return `to-${host}`
}

/** Makes the namespace of the router. It has no route but those to its hosts: nothing leaves the world. */
export async function makeRouter(router: string): Promise<void> {
  await mustRun('ip', ['netns', 'add', router])
  await configure(router, ROUTER_SETTINGS)
  await batch(router, ['link set lo up'])
}

/** Makes the namespace of a host and its wire to the router, with addresses, routes, loss and rate. */
export async function makeHost(router: string, host: string, plan: HostPlan): Promise<void> {
  await mustRun('ip', ['netns', 'add', host])
  await configure(host, SETTINGS)
  const end = routerInterface(plan.spec.name)
  const wires = [plan.ipv4, plan.ipv6].flatMap((wire) => (wire === undefined ? [] : [wire]))
  await batch(router, [
    `link add ${end} type veth peer name eth0 netns ${host}`,
    `link set ${end} up`,
    ...wires.map((wire) => `addr add ${wire.gateway}/${wire.prefix} dev ${end}${noDad(wire.address)}`),
  ])
  await batch(host, [
    'link set lo up',
    'link set eth0 up',
    ...wires.map((wire) => `addr add ${wire.address}/${wire.prefix} dev eth0${noDad(wire.address)}`),
    ...wires.map((wire) => `route add default via ${wire.gateway} dev eth0`),
  ])
  if (plan.spec.line !== undefined) await shape(router, host, end, plan.spec.line)
}

/** Resolves when no address of these namespaces waits for anything any more. Rejects after 5 s. */
export async function wiresReady(namespaces: readonly string[]): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (const namespace of namespaces) {
    while ((await mustRun('ip', ['-6', '-n', namespace, 'addr', 'show', 'tentative'])) !== '') {
      if (performance.now() > deadline) throw new Error(`addresses in ${namespace} are not ready after ${READY_MS} ms`)
      await sleep(20)
    }
  }
}

/** Pulls the plug of a host at the router's end, or puts it back: its own interface only loses the carrier. */
export async function setWire(router: string, host: string, state: 'up' | 'down'): Promise<void> {
  await batch(router, [`link set ${routerInterface(host)} ${state}`])
}

async function shape(router: string, host: string, end: string, line: LineSpec): Promise<void> {
  const { lossRatio = 0, megabitPerSecond } = line
  if (!(lossRatio >= 0 && lossRatio <= 1)) throw new Error(`${lossRatio} is not a share of packets`)
  if (lossRatio > 0) {
    const chance = ['-m', 'statistic', '--mode', 'random', '--probability', `${lossRatio}`, '-j', 'DROP']
    for (const tool of ['iptables', 'ip6tables']) {
      for (const way of ['-i', '-o']) {
        await inside(router, tool, '-w', '-t', 'mangle', '-A', 'FORWARD', way, end, ...chance)
      }
    }
  }
  if (megabitPerSecond !== undefined) {
    // A burst of 10 ms and at least some packets; up to 100 ms wait at the queue, as in an ordinary home router.
    const burst = Math.max(16_384, Math.round((megabitPerSecond * 1e6) / 8 / 100))
    const bucket = ['root', 'tbf', 'rate', `${megabitPerSecond}mbit`, 'burst', `${burst}`, 'latency', '100ms']
    await inside(router, 'tc', 'qdisc', 'add', 'dev', end, ...bucket)
    await inside(host, 'tc', 'qdisc', 'add', 'dev', 'eth0', ...bucket)
  }
}

async function configure(namespace: string, settings: Readonly<Record<string, number>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`)
  await inside(namespace, 'sh', '-ec', lines.join('\n'))
}

async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  await mustRun('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

async function inside(namespace: string, program: string, ...args: string[]): Promise<void> {
  await mustRun('ip', ['netns', 'exec', namespace, program, ...args])
}

function noDad(address: string): string {
  return address.includes(':') ? ' nodad' : ''
}
