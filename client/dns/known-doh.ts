import { isWithin } from '../../shared/dns/special-names.ts'

/**
 * Names of public DNS servers over HTTPS, TLS and QUIC that programs bring along, by which they pass this resolver by.
 * Rules may block connections to them. Names below them count too.
 */
export const KNOWN_DOH_NAMES: ReadonlySet<string> = new Set([
  ...['cloudflare-dns.com', 'one.one.one.one', '1dot1dot1dot1.cloudflare-dns.com', 'cloudflare-gateway.com'],
  ...['dns.google', 'dns64.dns.google', 'dns.google.com', 'dns.quad9.net', 'dns.nextdns.io', 'dns9.quad9.net'],
  ...['dns10.quad9.net', 'dns11.quad9.net', 'dns12.quad9.net'],
  ...['doh.opendns.com', 'dns.opendns.com', 'doh.familyshield.opendns.com', 'dns.umbrella.com', 'doh.umbrella.com'],
  ...[
    'dns.adguard-dns.com',
    'd.adguard-dns.com',
    'unfiltered.adguard-dns.com',
    'family.adguard-dns.com',
    'dns.adguard.com',
    'doh.cleanbrowsing.org',
    'security-filter-dns.cleanbrowsing.org',
  ],
  ...['dns.controld.com', 'freedns.controld.com', 'dns.mullvad.net', 'base.dns.mullvad.net', 'doh.mullvad.net'],
  ...['doh.dns.sb', 'dot.sb', 'doh.sb', 'dns0.eu', 'doh.libredns.gr', 'doh.applied-privacy.net', 'doh.ffmuc.net'],
  ...['doh.pub', 'dot.pub', 'dns.alidns.com', 'doh.360.cn', 'dns.twnic.tw', 'public.dns.iij.jp', 'dns.switch.ch'],
  ...['doh.xfinity.com', 'doh.cox.net', 'dns.digitale-gesellschaft.ch', 'unicast.censurfridns.dk', 'odvr.nic.cz'],
  ...['anycast.censurfridns.dk', 'doh.powerdns.org', 'dns.njal.la', 'doh.dnslify.com', 'chromium.dns.nextdns.io'],
  ...['mozilla.cloudflare-dns.com', 'firefox.dns.nextdns.io', 'doh.tiar.app', 'dns.rubyfish.cn', 'wikimedia-dns.org'],
  ...['dns.telekom.de', 'doh.seby.io', 'dns.bebasid.com', 'doh.appliedprivacy.net', 'dns.surfsharkdns.com'],
])

export function isKnownDoh(name: string): boolean {
  for (let at = 0; ; ) {
    if (KNOWN_DOH_NAMES.has(name.slice(at))) return true
    const dot = name.indexOf('.', at)
    if (dot < 0) return false
    at = dot + 1
  }
}

/** Names by which programs ask whether they may pass the resolver of the computer by; that they do not exist means no. */
export const CANARY_NAMES: readonly string[] = ['use-application-dns.net', 'mask.icloud.com', 'mask-h2.icloud.com']

export function isCanary(name: string): boolean {
  return CANARY_NAMES.some((canary) => isWithin(name, canary))
}
