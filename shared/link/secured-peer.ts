import type { TLSSocket } from 'node:tls'
import type { PeerId } from '@libp2p/interface'
import { verifyPeerCertificate } from '@libp2p/tls/utils'
import { Fault } from '../base/fault.ts'
import { publicBytesOfPeer } from './peer.ts'
import { checkTlsParameters, exportBinding } from './tls-parameters.ts'

/** Who is on the other end of a finished handshake. */
export interface SecuredPeer {
  readonly peerId: PeerId
  /** Its Ed25519 public key, 32 bytes: a hub's id, or what a client shows for this one link. */
  readonly publicBytes: Uint8Array
  /** The TLS exporter value, 32 bytes, the same on both ends and on no other connection; noise gives none. */
  readonly binding: Uint8Array | undefined
  readonly initiator: boolean
}

/**
 * Checks a finished handshake: parameters, then the identity in the certificate.
 * @throws Fault tls-parameters, peer-identity, link-closed
 */
export async function securePeer(
  socket: TLSSocket,
  isServer: boolean,
  expected: PeerId | undefined,
): Promise<SecuredPeer> {
  checkTlsParameters(socket, isServer)
  const certificate: Buffer | undefined = socket.getPeerCertificate().raw
  if (certificate === undefined) throw new Fault('peer-identity', { certificate: false })
  const binding = exportBinding(socket)
  const peerId = await verifyPeerCertificate(certificate, expected).catch((cause) => {
    throw new Fault('peer-identity', {}, cause)
  })
  const publicBytes = publicBytesOfPeer(peerId)
  if (publicBytes === undefined) throw new Fault('peer-identity', { kind: peerId.type })
  if (socket.destroyed) throw new Fault('link-closed') // meanwhile; nobody would tell the connection of it
  return { peerId, publicBytes, binding, initiator: !isServer }
}
