import type { Host } from '../world/host.ts'

const TIMEOUT_S = '20'

/**
 * What curl is told to get a path from a host over this family. Through a proxy the address says the family: `-6` would
 * also forbid curl to reach the proxy over IPv4.
 * @param proxy address and port of a SOCKS proxy, if there is one
 */
export function curlArguments(
  { dnsName, ipv4, ipv6 }: Pick<Host, 'dnsName' | 'ipv4' | 'ipv6'>,
  path: string,
  family: 4 | 6,
  proxy: string | undefined,
): string[] {
  const always = ['-sS', '--max-time', TIMEOUT_S]
  if (proxy === undefined) return [...always, `-${family}`, `http://${dnsName}${path}`]
  return [...always, '--socks5', proxy, `http://${family === 4 ? ipv4 : `[${ipv6}]`}${path}`]
}
