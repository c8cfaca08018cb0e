import { z } from 'zod'
import { FAULTS } from '../shared/base/fault-codes.ts'

/** What the directory answers as JSON, for the OpenAPI document and for the tests, which hold the answers to it. */

const count = z.int().nonnegative()
const hash = z.string().regex(/^[0-9a-f]{64}$/)

export const refusalSchema = z.strictObject({ fault: z.enum(Object.keys(FAULTS)) })
export const resultSchema = z.strictObject({ result: z.enum(['accepted', 'unchanged']) })
export const headSchema = z.strictObject({ epoch: count, hash })
export const timeSchema = z.strictObject({ timeMs: count, signature: z.string().regex(/^[0-9a-f]{128}$/) })
export const roundSchema = z.strictObject({
  ...{ deciding: count, votes: count, echoes: count, chosen: count },
  ...{ signatures: count, disagreeing: count, proofs: count, silent: count },
})
export const healthSchema = z.strictObject({
  ok: z.literal(true),
  epoch: count.optional().describe('of the newest map'),
  hubs: count.describe('whose descriptor is held'),
  round: roundSchema.optional().describe('how the directories get on with each other'),
})
export const readySchema = z.strictObject({
  ok: z.boolean(),
  map: z.boolean().describe('there is a map that may be used'),
  store: z.boolean().describe('the store reads and writes'),
})

const linkAddress = z.strictObject({
  ip: z.string(),
  port: z.int().min(1).max(65_535),
  transport: z.enum(['tls', 'noise']),
})
const hub = z.strictObject({
  id: hash,
  addresses: z.array(linkAddress).min(1).describe('at which the directories reached it'),
  roles: z.array(z.enum(['home', 'relay', 'exit4', 'exit6', 'echo'])),
  exitPolicy: z.array(z.string()).describe('rules in their order; the first that fits decides'),
  operator: z.string().describe('as the hub says'),
  family: z.string().describe('that it proved to belong to; empty for none'),
  version: z.string(),
  capacityKbits: count,
  flags: z.array(z.string()).describe('names of flags; those without a name as bitN'),
  place: z.strictObject({ latitude: z.number(), longitude: z.number(), country: z.string(), city: z.string() }),
  asn: count,
})
export const mapExportSchema = z.strictObject({
  format: z.literal(1).describe('grows when a field changes or goes, not when one is added'),
  network: hash,
  epoch: count,
  hash: hash.describe('of the signed map that this says the same as'),
  previousHash: hash,
  validAfter: count.describe('seconds since 1970'),
  freshUntil: count,
  validUntil: count,
  hubs: z.array(hub),
})
export type MapExport = z.output<typeof mapExportSchema>

/** A JSON schema as OpenAPI 3.1 has it. */
function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema)
  return rest
}

const json = (description: string, schema: z.ZodType) => ({ description, ...schemaOf(schema) })
const bytes = (description: string) => ({
  description,
  content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
})
const text = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: { type: 'string' } } },
})
const nothing = (description: string) => ({ description, type: 'null' })
const refused = (description: string) => json(description, refusalSchema)

const hex32 = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const
const params = (...names: readonly string[]) => ({
  type: 'object',
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, hex32])),
})
const binaryBody = { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
/** What every route may answer. */
const ANY = { 400: refused('not understood'), 429: refused('asked too often') }
const EARLY = { 503: refused('there is no map yet') }

const document = (summary: string, ...names: readonly string[]) => ({
  summary,
  params: params(...names),
  headers: {
    type: 'object',
    properties: {
      range: { type: 'string', description: 'one range of bytes' },
      'if-range': { type: 'string' },
      'if-none-match': { type: 'string' },
    },
  },
  response: {
    200: bytes('all of it; it never changes'),
    206: bytes('the range that was asked for'),
    304: nothing('the entity tag is known'),
    404: refused('not here'),
    416: refused('there is no such range'),
    ...ANY,
  },
})

const note = (summary: string) => ({
  summary,
  headers: { type: 'object', required: ['spn-note'], properties: { 'spn-note': { type: 'string' } } },
  body: binaryBody,
  response: {
    200: json('known', resultSchema),
    202: json('new', resultSchema),
    409: refused('of another epoch'),
    413: refused('too large'),
    ...ANY,
  },
})

/** What stands in the OpenAPI document, by route. */
export const API = {
  descriptors: {
    summary: 'A hub says what it is',
    body: binaryBody,
    response: {
      200: json('the one that is held', resultSchema),
      202: json('new', resultSchema),
      409: refused('a newer one is held'),
      413: refused('too large'),
      415: refused('another content type'),
      503: refused('no room'),
      ...ANY,
    },
  },
  head: { summary: 'Which map is the newest', response: { 200: json('epoch and hash', headSchema), ...EARLY, ...ANY } },
  map: {
    summary: 'The newest signed map',
    response: { 200: bytes('the signed map'), 304: nothing('the entity tag is known'), ...EARLY, ...ANY },
  },
  mapExport: {
    summary: 'The newest map as JSON, for researchers and for drawing; nobody signed it',
    response: { 200: json('the map', mapExportSchema), 304: nothing('the entity tag is known'), ...EARLY, ...ANY },
  },
  maps: document('The signed map with this hash', 'hash'),
  diffs: document('What leads from one map to another', 'from', 'to'),
  keys: document('The bundle of circuit keys with this hash', 'hash'),
  keyDiffs: document('Circuit keys that changed from one map to another', 'from', 'to'),
  time: {
    summary: 'The time of the network, signed',
    querystring: { type: 'object', required: ['nonce'], properties: { nonce: hex32 } },
    response: { 200: json('time and signature', timeSchema), ...ANY },
  },
  takeNote: note('A directory says something'),
  findNote: {
    summary: 'What a directory said',
    params: {
      type: 'object',
      required: ['epoch', 'signer'],
      properties: { epoch: { type: 'integer' }, signer: hex32 },
    },
    response: { 200: bytes('head and body'), 404: refused('not here'), ...ANY },
  },
  healthz: { summary: 'The process lives', response: { 200: json('always', healthSchema), ...ANY } },
  readyz: {
    summary: 'It can serve',
    response: { 200: json('it can', readySchema), 503: json('it can not', readySchema), ...ANY },
  },
  openapi: { summary: 'This document', response: { 200: text('OpenAPI 3.1', 'application/json'), ...ANY } },
} as const
