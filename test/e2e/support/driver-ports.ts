/** What the driver of the interception test does with a connection, by the port that it wants to go to. */
export const DRIVER_PORTS = {
  relay: 8080,
  answer: 8081,
  reset: 8082,
  unreachable: 8083,
  drop: 8084,
  undecided: 8085,
  slow: 8086,
} as const
