import { describe, expect, test } from '@jest/globals'
import type { ExitFacts } from '../../hub/exit-guard.ts'
import { MAX_PEERS, UdpPeers, UNANSWERED_BYTES, UNANSWERED_PEER_BYTES } from '../../hub/udp-peers.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'

const HEADERS = 28
const FACTS: ExitFacts = {
  roles: { home: false, relay: false, exit4: true, exit6: true },
  policy: DEFAULT_EXIT_POLICY,
  addressScope: [],
  forbidden: new Set(),
}
const at = (last: number): Uint8Array => Uint8Array.of(93, 184, last >> 8, last & 255)

function peers(): UdpPeers {
  return new UdpPeers(() => FACTS, 0)
}

/** Bytes that a peer gets in one moment, datagrams of 972 bytes and headers. */
function flood(all: UdpPeers, address: Uint8Array, now: number): number {
  let bytes = 0
  while (typeof all.admit(address, 443, 1000 - HEADERS, now) === 'object') bytes += 1000
  return bytes
}

describe('a peer that never sent anything', () => {
  test('gets what a handshake needs, then little', () => {
    const all = peers()
    expect(flood(all, at(1), 0)).toBe(Math.floor(UNANSWERED_PEER_BYTES / 1000) * 1000)
    expect(flood(all, at(1), 10_000)).toBeLessThanOrEqual(UNANSWERED_PEER_BYTES)
    let later = 0
    for (let ms = 11_000; ms < 71_000; ms += 100) later += flood(all, at(1), ms)
    expect(later).toBeLessThanOrEqual(61 * 8192)
    expect(later).toBeGreaterThan(58 * 8192)
  })

  test('shares with all others of the association', () => {
    const all = peers()
    let bytes = 0
    for (let i = 1; i < 200; i++) bytes += flood(all, at(i), 0)
    expect(bytes).toBeLessThanOrEqual(UNANSWERED_BYTES)
    expect(bytes).toBeGreaterThan(UNANSWERED_BYTES - 1000)
  })

  test('can not be flooded with empty datagrams', () => {
    const all = peers()
    let count = 0
    while (typeof all.admit(at(1), 443, 0, 0) === 'object') count++
    expect(count).toBe(Math.floor(UNANSWERED_PEER_BYTES / HEADERS))
  })

  test('gets all that is sent once it has answered, from the very port that was sent to', () => {
    const all = peers()
    flood(all, at(1), 0)
    expect(all.answered(at(1), 444)).toBe(true)
    expect(all.admit(at(1), 443, 1000, 0)).toBe('unanswered')
    expect(all.answered(at(1), 443)).toBe(true)
    for (let i = 0; i < 10_000; i++) expect(all.admit(at(1), 443, 1400, 0)).toMatchObject({ host: '93.184.0.1' })
  })
})

describe('the peers of an association', () => {
  test('are remembered up to a number, and those that are used stay', () => {
    const all = peers()
    all.admit(at(0), 443, 0, 0)
    all.answered(at(0), 443)
    for (let i = 1; i <= 3 * MAX_PEERS; i++) {
      all.admit(at(i), 443, 0, i * 1000)
      expect(all.admit(at(0), 443, 1400, i * 1000)).toMatchObject({ port: 443 })
      expect(all.size).toBeLessThanOrEqual(MAX_PEERS)
    }
    expect(all.size).toBe(MAX_PEERS)
  })

  test('are forgotten if others are used, and unanswered then', () => {
    const all = peers()
    all.admit(at(0), 443, 0, 0)
    all.answered(at(0), 443)
    for (let i = 1; i <= MAX_PEERS; i++) all.admit(at(i), 443, 0, i * 1000)
    expect(flood(all, at(0), MAX_PEERS * 1000)).toBeLessThanOrEqual(UNANSWERED_PEER_BYTES)
  })

  test('are asked about again when the facts of the exit change', () => {
    let facts = FACTS
    const all = new UdpPeers(() => facts, 0)
    expect(all.admit(at(1), 443, 0, 0)).toMatchObject({ port: 443 })
    facts = { ...FACTS, forbidden: new Set([Buffer.from(at(1)).toString('hex')]) }
    expect(all.answered(at(1), 443)).toBe(false)
    expect(all.admit(at(1), 443, 0, 0)).toBe('policy-refused')
    facts = FACTS
    expect(all.admit(at(1), 443, 0, 0)).toMatchObject({ port: 443 })
  })
})
