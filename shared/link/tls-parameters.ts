import type { TLSSocket } from 'node:tls'
import { Fault } from '../base/fault.ts'

/** The one group that links use: X25519 and ML-KEM-768 together (SPEC section 10.7). */
export const LINK_TLS_GROUP = 'X25519MLKEM768'

/** Label of the exporter value that the first CREATE of a path is bound to. */
export const EXPORTER_LABEL = 'EXPORTER-spn-link-1'
export const EXPORTER_BYTES = 32

/** What both sides of a link ask of TLS. No ALPN (it would name us), no resumption, own certificates. */
export const LINK_TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ecdhCurve: LINK_TLS_GROUP,
  rejectUnauthorized: false, // certificates are self-signed; `verifyPeerCertificate` checks the identity in them
  ciphers: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
} as const

/** @throws Fault tls-parameters unless this finished handshake used what a link demands. */
export function checkTlsParameters(socket: TLSSocket, isServer: boolean): void {
  // A server learns the group only by having offered no other.
  const group = isServer ? LINK_TLS_GROUP : (socket.getEphemeralKeyInfo() as { name?: string } | null)?.name
  const version = socket.getProtocol()
  if (version !== 'TLSv1.3' || group !== LINK_TLS_GROUP || socket.isSessionReused()) {
    throw new Fault('tls-parameters', { version: String(version), group: String(group) })
  }
}

export function exportBinding(socket: TLSSocket): Uint8Array {
  return new Uint8Array(socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0)))
}
