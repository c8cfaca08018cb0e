import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { Consensus } from '../../directory/consensus/consensus.ts'
import { NOTE_HEADER, NOTE_PATHS } from '../../directory/consensus/exchange.ts'
import { MAX_NOTE_BYTES, NOTE_KINDS, type NoteKind, signNote } from '../../directory/consensus/note.ts'
import { SignedEpochs } from '../../directory/consensus/signed-epochs.ts'
import { encodeVote } from '../../directory/consensus/vote.ts'
import { createHttpServer } from '../../directory/http-server.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { silentLog } from '../../shared/base/log.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import { voteOf } from '../support/directory-votes.ts'
import { NO_DOCUMENTS, OTHER_HANDLERS } from '../support/map-documents.ts'
import { EPOCH, EPOCH_S, NETWORK_ID, networkWith } from '../support/map-fixtures.ts'

const { network, keys } = networkWith(3, 2)
const [OWN, PEER] = keys as [DirectoryKey, DirectoryKey]
const BODY = encodeVote(voteOf())
/** In the vote phase of EPOCH. */
const VOTE_MS = (EPOCH - 0.4) * EPOCH_S * 1000

let folder: string
let server: FastifyInstance
let consensus: Consensus
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spn-notes-'))
  consensus = new Consensus({
    ...{ network, key: OWN, epochSeconds: EPOCH_S, clock: systemClock, random: systemRandom, log: silentLog },
    signed: new SignedEpochs(join(folder, 'signed-epochs')),
    send: () => Promise.resolve({ status: 404, etag: undefined, body: new Uint8Array(0) }),
    ...{
      vote: async () => voteOf(),
      latest: () => ({ epoch: EPOCH, hash: new Uint8Array(32) }),
      publish: async () => undefined,
      keepProof: () => undefined,
    },
  })
  await consensus.tick(VOTE_MS)
  server = createHttpServer({
    ...{ takeDescriptor: async () => 'unchanged', map: () => undefined, documents: NO_DOCUMENTS, consensus },
    time: (nonce) => signTime(nonce, VOTE_MS, OWN, NETWORK_ID),
    ...OTHER_HANDLERS,
    health: async () => ({ epoch: EPOCH, hubs: 0, round: consensus.health() }),
  })
})
afterEach(async () => {
  consensus.close()
  await server.close()
  rmSync(folder, { recursive: true })
})

interface Sent {
  readonly kind?: NoteKind
  readonly head?: string
  readonly body?: Uint8Array
  /** What the request says of its length. */
  readonly claims?: number
}

async function post({ kind = 'vote', head, body = BODY, claims }: Sent): Promise<[number, unknown]> {
  const headers = {
    'content-type': 'application/octet-stream',
    ...(head === undefined ? {} : { [NOTE_HEADER]: head }),
    ...(claims === undefined ? {} : { 'content-length': String(claims) }),
  }
  const answer = await server.inject({ method: 'POST', url: NOTE_PATHS[kind], headers, payload: Buffer.from(body) })
  return [answer.statusCode, answer.json()]
}

const headBy = (key: DirectoryKey, epoch = EPOCH, body = BODY, kind: NoteKind = 'vote'): string =>
  toHex(signNote(kind, epoch, body, key, NETWORK_ID).head.bytes)

describe('who is no directory', () => {
  test.each(NOTE_KINDS)('is not read: its note of the kind %s may be as long as it likes', async (kind) => {
    const claims = MAX_NOTE_BYTES[kind] + 1
    const stranger = headBy(DirectoryKey.generate(), EPOCH, BODY, kind)
    expect(await post({ kind, head: stranger, claims })).toEqual([400, { fault: 'signature-invalid' }])
    expect(await post({ kind, claims })).toEqual([400, { fault: 'encoding-invalid' }])
    expect(await post({ kind, head: 'zz', claims })).toEqual([400, { fault: 'encoding-invalid' }])
    const known = headBy(PEER, EPOCH, BODY, kind)
    expect(await post({ kind, head: known, claims })).toEqual([413, { fault: 'document-too-large' }])
  })

  test('can repeat what a directory said, and costs nobody more than the head', async () => {
    const head = headBy(PEER)
    expect(await post({ head })).toEqual([202, { result: 'accepted' }])
    expect(await post({ head, claims: MAX_NOTE_BYTES.vote + 1 })).toEqual([200, { result: 'unchanged' }])
    expect(consensus.health()).toMatchObject({ votes: 2, proofs: 0 })
  })

  test('can not put another body behind the head of a directory', async () => {
    expect(await post({ head: headBy(PEER), body: BODY.with(0, 0) })).toEqual([400, { fault: 'encoding-invalid' }])
    expect(consensus.health()).toMatchObject({ votes: 1 })
  })
})

test.each([-1, 1, 1000])('a note of an epoch that is %i away is refused before it is read', async (away) => {
  const head = headBy(PEER, EPOCH + away)
  expect(await post({ head, claims: MAX_NOTE_BYTES.vote + 1 })).toEqual([409, { fault: 'note-epoch' }])
})

test('a note is handed on, byte by byte as it was said, and only if it is here', async () => {
  await post({ head: headBy(PEER) })
  const get = (path: string) => server.inject(`${NOTE_PATHS.vote}/${path}`)
  const answer = await get(`${EPOCH}/${toHex(PEER.publicBytes)}`)
  expect([answer.statusCode, answer.rawPayload.toString('hex')]).toEqual([200, headBy(PEER) + toHex(BODY)])
  for (const path of [`${EPOCH + 1}/${toHex(PEER.publicBytes)}`, `${EPOCH}/${'00'.repeat(32)}`, 'x/y']) {
    const missing = await get(path)
    expect([missing.statusCode, missing.json()]).toEqual([404, { fault: 'not-found' }])
  }
})

test('two things of one directory are seen at its second head, and are in the health', async () => {
  await post({ head: headBy(PEER) })
  const other = encodeVote(voteOf({ hubs: [] }))
  expect(await post({ head: headBy(PEER, EPOCH, other), body: other })).toEqual([200, { result: 'unchanged' }])
  const health = (await server.inject('/healthz')).json()
  expect(health).toMatchObject({ round: { deciding: EPOCH, votes: 2, proofs: 1, disagreeing: 0 } })
})
