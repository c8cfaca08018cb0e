/** The part of `dns-packet` that the tests use; the package brings no types of its own. */
declare module 'dns-packet' {
  export interface Question {
    readonly type: string
    readonly name: string
    readonly class?: string
  }

  export interface Answer extends Question {
    readonly ttl?: number
    /** For A and AAAA the address as text, for other types what the package says. */
    readonly data?: unknown
  }

  export interface Packet {
    readonly id?: number
    readonly type?: 'query' | 'response'
    readonly flags?: number
    /** Name of the response code as the decoder gives it: `NOERROR`, `NXDOMAIN`. */
    readonly rcode?: string
    readonly questions?: readonly Question[]
    readonly answers?: readonly Answer[]
    readonly authorities?: readonly Answer[]
    readonly additionals?: readonly (Answer & {
      readonly udpPayloadSize?: number
      readonly flags?: number
      readonly options?: readonly { readonly code: number; readonly data?: Uint8Array; readonly ip?: string }[]
    })[]
  }

  export const AUTHORITATIVE_ANSWER: number
  export const TRUNCATED_RESPONSE: number
  export const RECURSION_DESIRED: number
  export const RECURSION_AVAILABLE: number
  export const AUTHENTIC_DATA: number
  export const DNSSEC_OK: number

  export function encode(packet: Packet): Buffer
  export function decode(bytes: Uint8Array): Packet
}
