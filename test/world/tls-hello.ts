import { ByteReader } from '../../shared/base/byte-reader.ts'

/*
 * The two messages of a TLS handshake that cross the wire in the clear (RFC 8446 section 4.1):
 *
 *     ClientHello  version (2) ‖ random (32) ‖ session id <1> ‖ cipher suites <2> ‖ compression <1> ‖ extensions <2>
 *     ServerHello  version (2) ‖ random (32) ‖ session id <1> ‖ cipher suite (2) ‖ compression (1) ‖ extensions <2>
 *     extension    type (2) ‖ body <2>            <n>: behind its length in n bytes
 */

export const TLS_1_3 = 0x0304
export const X25519_MLKEM768 = 0x11ec

/** What a ClientHello shows to everybody on the wire. */
export interface ClientHello {
  /** Offered, as 0x0304; those of the extension, or the old field if there is none. */
  readonly versions: readonly number[]
  readonly cipherSuites: readonly number[]
  /** Offered groups, as 0x11ec. */
  readonly groups: readonly number[]
  /** Groups for which a key is sent along. */
  readonly keyShares: readonly number[]
  /** Undefined if there is no such extension. */
  readonly alpn: readonly string[] | undefined
  /** The name in SNI; undefined if there is no such extension. */
  readonly serverName: string | undefined
  /** It offers to go on with an earlier session. */
  readonly resumes: boolean
  /** Types of all extensions, in order. */
  readonly extensions: readonly number[]
}

/** What a ServerHello shows. */
export interface ServerHello {
  readonly version: number
  readonly cipherSuite: number
  /** The chosen group; undefined if none is named, as before TLS 1.3. */
  readonly group: number | undefined
  /** It asks for another ClientHello. */
  readonly retry: boolean
  readonly extensions: readonly number[]
}

const EXTENSION = { serverName: 0, groups: 10, alpn: 16, preSharedKey: 41, versions: 43, keyShare: 51 } as const
/** The random of a ServerHello that is in truth a HelloRetryRequest (RFC 8446 section 4.1.3). */
const RETRY = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c'

/** `body` is that of a handshake message of type 1. Undefined if it is malformed. */
export function parseClientHello(body: Uint8Array): ClientHello | undefined {
  const reader = new ByteReader(body)
  const version = reader.u16()
  reader.bytes(32)
  reader.bytes(reader.u8())
  const cipherSuites = words(reader.bytes(reader.u16()))
  reader.bytes(reader.u8())
  const extensions = readExtensions(reader)
  if (!reader.ended) return undefined
  return {
    versions: listIn(extensions.get(EXTENSION.versions), 1) ?? [version],
    cipherSuites,
    groups: listIn(extensions.get(EXTENSION.groups), 2) ?? [],
    keyShares: keyShares(extensions.get(EXTENSION.keyShare)),
    alpn: alpn(extensions.get(EXTENSION.alpn)),
    serverName: serverName(extensions.get(EXTENSION.serverName)),
    resumes: extensions.has(EXTENSION.preSharedKey),
    extensions: [...extensions.keys()],
  }
}

/** `body` is that of a handshake message of type 2. Undefined if it is malformed. */
export function parseServerHello(body: Uint8Array): ServerHello | undefined {
  const reader = new ByteReader(body)
  const version = reader.u16()
  const random = Buffer.from(reader.bytes(32)).toString('hex')
  reader.bytes(reader.u8())
  const cipherSuite = reader.u16()
  reader.u8()
  const extensions = reader.remaining === 0 ? new Map<number, Uint8Array>() : readExtensions(reader)
  if (!reader.ended) return undefined
  const chosen = (type: number): number | undefined => words(extensions.get(type) ?? new Uint8Array(0))[0]
  return {
    version: chosen(EXTENSION.versions) ?? version,
    cipherSuite,
    group: chosen(EXTENSION.keyShare),
    retry: random === RETRY,
    extensions: [...extensions.keys()],
  }
}

function readExtensions(reader: ByteReader): Map<number, Uint8Array> {
  const inner = new ByteReader(reader.bytes(reader.u16()))
  const extensions = new Map<number, Uint8Array>()
  while (inner.remaining > 0) {
    const type = inner.u16()
    extensions.set(type, inner.bytes(inner.u16()))
  }
  return extensions
}

/** A list of words behind its length in 1 or 2 bytes. */
function listIn(body: Uint8Array | undefined, lengthBytes: 1 | 2): number[] | undefined {
  return body === undefined ? undefined : words(body.subarray(lengthBytes))
}

/** <2> of: group (2) ‖ key <2>. */
function keyShares(body: Uint8Array | undefined): number[] {
  const reader = new ByteReader((body ?? new Uint8Array(0)).subarray(2))
  const groups: number[] = []
  while (reader.remaining > 0) {
    groups.push(reader.u16())
    reader.bytes(reader.u16())
  }
  return groups
}

/** <2> of: protocol <1>. */
function alpn(body: Uint8Array | undefined): string[] | undefined {
  if (body === undefined) return undefined
  const reader = new ByteReader(body.subarray(2))
  const protocols: string[] = []
  while (reader.remaining > 0) protocols.push(Buffer.from(reader.bytes(reader.u8())).toString('latin1'))
  return protocols
}

/** <2> of: kind (1), 0 for a name of the DNS ‖ name <2>. */
function serverName(body: Uint8Array | undefined): string | undefined {
  if (body === undefined) return undefined
  const reader = new ByteReader(body.subarray(3))
  return Buffer.from(reader.bytes(reader.u16())).toString('latin1')
}

function words(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length >> 1 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0))
}
