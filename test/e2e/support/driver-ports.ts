/** What the driver of the interception test does with a connection, by the port that it wants to go to. */
export const DRIVER_PORTS = {
  relay: 8080,
  answer: 8081,
  reset: 8082,
  unreachable: 8083,
  drop: 8084,
  undecided: 8085,
  slow: 8086,
  /** Of datagrams: everything that comes is answered from the next port too, which the program has not addressed. */
  stranger: 8087,
  /** Of datagrams: the socket is closed after the first one. */
  once: 8088,
  /** Of datagrams: answered after LATE_MS. */
  late: 8089,
  /** It goes out as it is, as datagrams do. */
  direct: 8090,
} as const

export const LATE_MS = 2_500
