/** The configuration files of a private Tor network on loopback; pure text. */

export type TorScheduler = 'default' | 'vanilla'

/** How clients and relays find the one authority. */
export interface TorAuthority {
  readonly orPort: number
  readonly dirPort: number
  /** Fingerprints in hex, without spaces: of the relay key, and of the authority's identity key. */
  readonly fingerprint: string
  readonly v3Ident: string
}

/** What every process of the network has. */
export interface TorCommon {
  readonly dataFolder: string
  /** The process with which the network ends, even if that is killed. */
  readonly ownerPid: number
  readonly scheduler: TorScheduler
  readonly authority: TorAuthority
}

/**
 * `TestingTorNetwork` makes private addresses usable and bootstrapping quick. `default` names no scheduler, so Tor takes
 * its own first choice (KIST); `vanilla` writes to a socket as soon as there is something to write.
 */
function commonLines({ dataFolder, ownerPid, scheduler, authority }: TorCommon): string[] {
  const { orPort, dirPort, fingerprint, v3Ident } = authority
  return [
    'TestingTorNetwork 1',
    `DataDirectory ${dataFolder}`,
    `DirAuthority authority orport=${orPort} no-v2 v3ident=${v3Ident} 127.0.0.1:${dirPort} ${fingerprint}`,
    'Log notice stdout',
    'ShutdownWaitLength 0',
    `__OwningControllerProcess ${ownerPid}`,
    ...(scheduler === 'vanilla' ? ['Schedulers Vanilla'] : []),
  ]
}

function relayLines(nickname: string, orPort: number): string[] {
  return [
    `Nickname ${nickname}`,
    'ContactInfo nobody@example',
    'Address 127.0.0.1',
    `ORPort 127.0.0.1:${orPort} IPv4Only`,
    'SocksPort 0',
    'AssumeReachable 1',
  ]
}

/** Votes every 20 s, and votes every relay into every role, as soon as it has heard of it. Clients leave it out of paths. */
export function authorityConfig(common: TorCommon): string {
  return text([
    ...commonLines(common),
    ...relayLines('authority', common.authority.orPort),
    `DirPort 127.0.0.1:${common.authority.dirPort}`,
    'ExitPolicy reject *:*',
    'AuthoritativeDirectory 1',
    'V3AuthoritativeDirectory 1',
    'TestingV3AuthInitialVotingInterval 20',
    'TestingV3AuthInitialVoteDelay 4',
    'TestingV3AuthInitialDistDelay 4',
    'V3AuthVotingInterval 20',
    'V3AuthVoteDelay 4',
    'V3AuthDistDelay 4',
    'TestingDirAuthVoteExit *',
    'TestingDirAuthVoteGuard *',
    'TestingMinExitFlagThreshold 0',
    'TestingMinFastFlagThreshold 0',
  ])
}

/** A relay for all three positions that connects to all of loopback. */
export function relayConfig(common: TorCommon, nickname: string, orPort: number): string {
  return text([
    ...commonLines(common),
    ...relayLines(nickname, orPort),
    'ExitRelay 1',
    'ExitPolicy accept 127.0.0.0/8:*',
    'ExitPolicyRejectPrivate 0',
    'ExitPolicyRejectLocalInterfaces 0',
  ])
}

/**
 * Three hops, entry guards and timeouts as they are by default. Used circuits are closed after 10 s (the least that Tor
 * takes) instead of 10 minutes, or the client would walk over thousands of them for each new connection.
 */
export function clientConfig(common: TorCommon, ports: { readonly socks: number; readonly control: number }): string {
  return text([
    ...commonLines(common),
    `SocksPort 127.0.0.1:${ports.socks} IsolateSOCKSAuth`,
    `ControlPort 127.0.0.1:${ports.control}`,
    'ClientOnly 1',
    'ClientRejectInternalAddresses 0',
    `ExcludeNodes $${common.authority.fingerprint}`,
    'MaxCircuitDirtiness 10',
  ])
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}

/** The fingerprint in what `tor --list-fingerprint` prints: `NICKNAME ABCD EF01 ...`. @throws if there is none */
export function parseFingerprint(output: string): string {
  const groups = /^\w+((?: [0-9A-F]{4}){10})$/m.exec(output)?.[1]
  if (groups === undefined) throw new Error(`tor printed no fingerprint:\n${output}`)
  return groups.replaceAll(' ', '')
}

/** The fingerprint of the identity key in a certificate that tor-gencert wrote. @throws if there is none */
export function parseV3Ident(certificate: string): string {
  const ident = /^fingerprint ([0-9A-F]{40})$/m.exec(certificate)?.[1]
  if (ident === undefined) throw new Error('the certificate of the authority names no fingerprint')
  return ident
}
