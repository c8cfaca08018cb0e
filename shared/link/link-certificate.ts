import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import * as x509 from '@peculiar/x509'
import { OctetString, Sequence } from 'asn1js'
import { concatBytes, utf8 } from '../base/bytes.ts'

/** The extension in which libp2p's TLS puts the identity, and the prefix of what that identity signs (libp2p TLS spec). */
const IDENTITY_EXTENSION = '1.3.6.1.4.1.53594.1.1'
const SIGNATURE_PREFIX = utf8('libp2p-tls-handshake:')

/**
 * The same validity for everybody: dates taken from the machine's clock, as libp2p's own generator writes them, would
 * tell the other side how wrong that clock is (SPEC section 10.7).
 */
const NOT_BEFORE = new Date('2020-01-01T00:00:00Z')
const NOT_AFTER = new Date('2120-01-01T00:00:00Z')

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

const { subtle } = webcrypto

/** Both parts as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A fresh self-signed certificate that carries the identity of `privateKey`. */
export function createLinkCertificate(privateKey: PrivateKey): Promise<Certificate> {
  return createCertificate(async (spki) => {
    const signature = await privateKey.sign(concatBytes(SIGNATURE_PREFIX, spki))
    const identity = new Sequence({
      value: [
        new OctetString({ valueHex: publicKeyToProtobuf(privateKey.publicKey) }),
        new OctetString({ valueHex: signature }),
      ],
    })
    return [new x509.Extension(IDENTITY_EXTENSION, true, identity.toBER())]
  })
}

/** A fresh self-signed certificate that says nothing, for who has the certificate itself to compare with. */
export function createPlainCertificate(): Promise<Certificate> {
  return createCertificate(async () => [])
}

async function createCertificate(
  extensionsOf: (spki: Uint8Array<ArrayBuffer>) => Promise<x509.Extension[]>,
): Promise<Certificate> {
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const spki = new Uint8Array(await subtle.exportKey('spki', keys.publicKey))
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: await extensionsOf(spki),
    },
    webcrypto as never,
  )
  const pkcs8 = await subtle.exportKey('pkcs8', keys.privateKey)
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') }
}

/** 16 random bytes as a positive integer without a leading zero byte. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40
  return bytes.toString('hex')
}
