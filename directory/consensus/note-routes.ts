import type { FastifyInstance } from 'fastify'
import { parseHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { API } from '../api-schemas.ts'
import type { Consensus } from './consensus.ts'
import { NOTE_HEADER, NOTE_PATHS } from './exchange.ts'
import { encodeNote, MAX_NOTE_BYTES, NOTE_KINDS, type NoteHead } from './note.ts'

/** What directories ask of each other (SPEC section 11.10). A body is read only of a directory that has something new. */
export function addNoteRoutes(server: FastifyInstance, consensus: Consensus): void {
  for (const kind of NOTE_KINDS) {
    const headOf = (header: unknown): NoteHead => {
      const bytes = typeof header === 'string' ? parseHex(header) : undefined
      if (bytes === undefined) throw new Fault('encoding-invalid')
      return consensus.checkHead(kind, bytes)
    }

    server.post(NOTE_PATHS[kind], {
      schema: API.takeNote,
      bodyLimit: MAX_NOTE_BYTES[kind],
      onRequest: async (request, reply) => {
        const { hash, epoch, signer } = headOf(request.headers[NOTE_HEADER])
        if (consensus.find(kind, epoch, signer)?.head.hash !== hash) return
        return reply.code(200).send({ result: 'unchanged' })
      },
      handler: (request, reply) => {
        const body = request.body instanceof Uint8Array ? new Uint8Array(request.body) : new Uint8Array(0)
        const result = consensus.take(headOf(request.headers[NOTE_HEADER]), body)
        return reply.code(result === 'accepted' ? 202 : 200).send({ result })
      },
    })

    server.get<{ Params: { epoch: string; signer: string } }>(
      `${NOTE_PATHS[kind]}/:epoch/:signer`,
      { schema: API.findNote },
      ({ params: { epoch, signer } }, reply) => {
        const note = consensus.find(kind, Number(epoch), signer)
        if (note === undefined) throw new Fault('not-found')
        const answer = reply.header('cache-control', 'no-store').type('application/octet-stream')
        return answer.send(Buffer.from(encodeNote(note)))
      },
    )
  }
}
