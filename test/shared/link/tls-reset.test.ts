import tls, { type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { PeerId } from '@libp2p/interface'
import { createLinkCertificate } from '../../../shared/link/link-certificate.ts'
import { libp2pKeyFromSeed, peerOfPublicBytes } from '../../../shared/link/peer.ts'
import { LINK_TLS_OPTIONS } from '../../../shared/link/tls-parameters.ts'
import { RecordingProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'

/*
 * To check the identity in a certificate takes a while, in which the other side may reset the connection. Here that while
 * lasts until the test says so.
 */
const IDENTITY = (await libp2pKeyFromSeed(new Uint8Array(32).fill(5))).publicKey.raw
let checking = 0
let goOn: PromiseWithResolvers<void>
jest.unstable_mockModule('@libp2p/tls/utils', () => ({
  verifyPeerCertificate: async (_raw: Uint8Array, expected: PeerId | undefined): Promise<PeerId> => {
    checking++
    await goOn.promise
    return expected ?? peerOfPublicBytes(IDENTITY)
  },
}))
const { LOOPBACK, TestNodes } = await import('../../support/link-nodes.ts')

const nodes = new TestNodes()
const cleanUp: (() => unknown)[] = []

beforeEach(() => {
  checking = 0
  goOn = Promise.withResolvers()
})

afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step()
  await nodes.close()
})

/** Lets the event loop turn, so that everything that is on its way arrives, also where the system is slow to bring it. */
async function turns(): Promise<void> {
  const startedAt = performance.now()
  for (let i = 0; i < 50 || performance.now() - startedAt < 200; i++)
    await new Promise((resolve) => setImmediate(resolve))
}

/** What is thrown where nobody catches it ends a program; here it fails the test. */
describe('a peer that resets the connection while its identity is checked', () => {
  test('makes a dial fail, and nothing else', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const proxy = new RecordingProxy(b.address.port)
    cleanUp.push(() => proxy.close())
    const dial = a.node.dial(b.id, [{ ip: LOOPBACK, port: await proxy.start() }], AbortSignal.timeout(15_000))
    dial.catch(() => {})
    await until(() => checking === 2)
    proxy.reset()
    await until(() => proxy.open === 0)
    await turns()
    goOn.resolve()
    await expect(dial).rejects.toMatchObject({ name: 'Fault' })
    expect([a.node.libp2p.getConnections(), [...a.node.links]]).toEqual([[], []])
  })

  test('leaves no connection behind at a hub', async () => {
    const hub = await nodes.start()
    const proxy = new RecordingProxy(hub.address.port)
    cleanUp.push(() => proxy.close())
    const port = await proxy.start()
    const own = await createLinkCertificate(await libp2pKeyFromSeed(new Uint8Array(32).fill(6)))
    const sockets: TLSSocket[] = Array.from({ length: 5 }, () =>
      tls.connect({ ...LINK_TLS_OPTIONS, ...own, host: '127.0.0.1', port }).on('error', () => {}),
    )
    await until(() => checking === sockets.length)
    proxy.reset()
    await until(() => proxy.open === 0)
    await turns()
    goOn.resolve()
    await turns()
    expect([hub.node.libp2p.getConnections(), [...hub.node.links]]).toEqual([[], []])
  })
})
