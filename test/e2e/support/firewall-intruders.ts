/** What other tools do to a firewall, as one line of a shell each. */
export const INTRUDERS: readonly (readonly [string, string])[] = [
  ['somebody who flushes everything', 'nft flush ruleset'],
  [
    'a firewall that loads its own rules instead',
    'for i in iptables ip6tables; do $i-restore < /dev/null; printf "*filter\\nCOMMIT\\n*mangle\\nCOMMIT\\n*nat\\nCOMMIT\\n" | $i-restore; done',
  ],
  ['who flushes the filter', 'iptables -F; ip6tables -F'],
  ['who flushes and deletes what judges', 'for i in iptables ip6tables; do $i -t mangle -F; $i -t mangle -X; done'],
  ['who flushes the redirection', 'for i in iptables ip6tables; do $i -t nat -F; $i -t nat -X; done'],
  ['who deletes whole tables', 'nft delete table ip filter; nft delete table ip6 filter; nft delete table ip mangle'],
  [
    'who lets everything out before the rules',
    'for i in iptables ip6tables; do $i -I OUTPUT -j ACCEPT; $i -t mangle -I OUTPUT -j ACCEPT; done',
  ],
  ['who takes one of our rules out', 'iptables -D SPN_OUTPUT -j DROP; ip6tables -D SPN_OUTPUT -j DROP'],
  [
    'who tries to take the guard out',
    'nft delete table inet spn_guard; nft flush table inet spn_guard; nft flush ruleset',
  ],
]
