/** Types of records and questions that mean something here (IANA, Domain Name System parameters). */
export const DNS_TYPES = {
  a: 1,
  cname: 5,
  soa: 6,
  ptr: 12,
  hinfo: 13,
  aaaa: 28,
  opt: 41,
  svcb: 64,
  https: 65,
  ixfr: 251,
  axfr: 252,
  mailb: 253,
  maila: 254,
  any: 255,
} as const

/** The only class that is served: the internet. */
export const CLASS_IN = 1

/** Standard query. All other operations change something at a server, or are gone. */
export const OPCODE_QUERY = 0

export const DNS_RCODES = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  /** Of EDNS: its upper bits stand in the OPT record. */
  badVersion: 16,
} as const

/** Bits of the second u16 of the header. */
export const DNS_FLAGS = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authentic: 0x0020,
  checkingDisabled: 0x0010,
} as const

/** In the flags of an OPT record: records of DNSSEC are wanted. */
export const DNSSEC_OK = 0x8000

export const DNS_HEADER_BYTES = 12
/** Over streams the length of a message is a u16. */
export const MAX_DNS_BYTES = 65_535
/** The longest answer over UDP to who does not say more (RFC 1035). */
export const PLAIN_UDP_BYTES = 512
/** What is said over UDP to name servers: no packet of this size is cut into fragments (DNS flag day 2020). */
export const OWN_UDP_BYTES = 1232
