/**
 * What may leave this computer around the network, in each state of the client. The rules of the firewall are made from
 * this table (`exemptions.ts`), SECURITY.md repeats it (a test holds the two equal), and `spn status` shows it.
 */

/** Kinds of traffic that may leave, each as a reader of SECURITY.md sees it. */
export const ALLOWANCES = {
  everything: 'everything, as if there were no client',
  loopback: 'loopback',
  discovery: 'neighbour discovery (ICMPv6 types 133 to 136 and 143)',
  addressing: 'DHCP (UDP from port 68 to 67, for IPv6 from 546 to 547)',
  own: "the client's own traffic",
  direct: 'networks configured as direct, and connections that a rule made direct',
  opened: 'what `spn portal` opened, until its end',
} as const

export type Allowance = keyof typeof ALLOWANCES

/** Neither tells anybody where this computer connects to, and without them it would have no network at all. */
const NETWORK: readonly Allowance[] = ['loopback', 'discovery', 'addressing', 'direct']
const CLOSED: readonly Allowance[] = [...NETWORK, 'own', 'opened']

/** By state: when it is, and what may leave in it. `killed` is what is left of a daemon that did not end cleanly. */
export const PROMISES = {
  off: { when: 'not started, or ended cleanly', mayLeave: ['everything'] },
  starting: { when: 'from the first rule to the first home link', mayLeave: CLOSED },
  protected: { when: 'connections go through the network', mayLeave: CLOSED },
  paused: { when: '`spn pause`, until its end', mayLeave: ['everything'] },
  blocked: { when: 'something failed, which `spn status` names; programs are refused', mayLeave: CLOSED },
  stopping: { when: 'until the last rule is gone', mayLeave: CLOSED },
  killed: {
    when: 'killed, crashed, or `spn block` before the start; a pause still ends at its end',
    mayLeave: [...NETWORK, 'opened'],
  },
} as const satisfies Record<string, { readonly when: string; readonly mayLeave: readonly Allowance[] }>

export type ProtectionName = Exclude<keyof typeof PROMISES, 'killed'>

/** DHCP: ports of the computer that asks and of the server that answers. Both are below 1024: no ordinary user's. */
export const DHCP_PORTS = { 4: { client: 68, server: 67 }, 6: { client: 546, server: 547 } } as const

/** Router and neighbour solicitations and advertisements, and multicast reports: IPv6 does not live without them. */
export const DISCOVERY_OUT = [133, 134, 135, 136, 143] as const
/** The same inwards, and the multicast query: a switch that hears no report after it cuts neighbour discovery off. */
export const DISCOVERY_IN = [130, 133, 134, 135, 136] as const
