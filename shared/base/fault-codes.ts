/**
 * Every failure that has a name.
 *
 * `blame` says whose doing it is: `self` (a bug or our configuration), `host` (this computer), `peer` (the program on
 * the other end of a link), `network` (the map, the directories, the way to a hub), `remote` (the destination).
 * `wire` is the one byte that may travel (SPEC section 12 holds the same table); 0 means it never does.
 */
export const FAULTS = {
  // What a hub answers to a CREATE (SPEC section 7.4).
  'hub-busy': { wire: 0x01, blame: 'peer', text: 'the hub takes no more circuits at the moment' },
  'hub-draining': { wire: 0x02, blame: 'peer', text: 'the hub is shutting down and takes no new circuits' },
  'role-refused': { wire: 0x03, blame: 'peer', text: 'the hub does not serve in this role' },
  'next-unknown': { wire: 0x04, blame: 'network', text: 'the next hub is not in the map of the hub before it' },
  'next-forbidden': { wire: 0x05, blame: 'peer', text: 'a circuit may not go on to this hub' },
  'next-unreachable': { wire: 0x06, blame: 'network', text: 'the next hub could not be reached' },
  'next-closed': { wire: 0x07, blame: 'network', text: 'the next hub closed the circuit without an answer' },
  'next-silent': { wire: 0x08, blame: 'network', text: 'the next hub did not answer in time' },
  'clock-skew': { wire: 0x09, blame: 'network', text: 'the time in the CREATE is outside the accepted window' },

  // What the exit says of the destination (SPEC section 8).
  'connection-refused': { wire: 0x20, blame: 'remote', text: 'the destination refused the connection' },
  'host-unreachable': { wire: 0x21, blame: 'remote', text: 'the destination host is unreachable' },
  'network-unreachable': { wire: 0x22, blame: 'remote', text: 'the destination network is unreachable' },
  'connect-timeout': { wire: 0x23, blame: 'remote', text: 'the destination did not answer in time' },
  'name-not-found': { wire: 0x24, blame: 'remote', text: 'the name does not exist or has no usable address' },
  'name-failed': { wire: 0x25, blame: 'remote', text: 'the name could not be resolved at the exit' },
  'policy-refused': { wire: 0x26, blame: 'peer', text: 'the exit policy does not allow this destination' },
  'family-refused': { wire: 0x27, blame: 'peer', text: 'the exit has no connectivity of this address family' },
  'exit-busy': { wire: 0x28, blame: 'peer', text: 'the exit takes no more connections at the moment' },
  'kind-refused': { wire: 0x29, blame: 'peer', text: 'the exit does not carry this kind of connection' },
  'connection-reset': { wire: 0x2a, blame: 'remote', text: 'the connection was reset' },

  // Links.
  'link-closed': { wire: 0, blame: 'network', text: 'the link is closed' },
  'link-silent': { wire: 0, blame: 'network', text: 'nothing was heard on the link for too long' },
  'link-worn': { wire: 0, blame: 'self', text: 'the keys of the link were used for so long that it ended' },
  'link-protocol': { wire: 0, blame: 'peer', text: 'the peer broke the rules of the link' },
  'link-version': { wire: 0, blame: 'peer', text: 'the peer speaks another version of the link protocol' },
  'link-network': { wire: 0, blame: 'peer', text: 'the peer belongs to another network' },
  'peer-identity': { wire: 0, blame: 'peer', text: 'the peer proved another identity than the expected one' },
  'tls-parameters': { wire: 0, blame: 'peer', text: 'the TLS session is not TLS 1.3 with X25519MLKEM768' },

  // Circuits.
  'cell-rejected': { wire: 0, blame: 'peer', text: 'a cell was changed, repeated, reordered or lost' },
  'circuit-protocol': { wire: 0, blame: 'peer', text: 'the peer broke the rules of the circuit' },
  'circuit-closed': { wire: 0, blame: 'network', text: 'the circuit was closed on the way' },
  'circuit-timeout': { wire: 0, blame: 'network', text: 'the circuit was not built in time' },
  'create-replayed': { wire: 0, blame: 'peer', text: 'this CREATE was seen before' },
  'create-unreadable': { wire: 0, blame: 'peer', text: 'the CREATE is not meant for this hub, place or link' },
  'create-key-unknown': { wire: 0, blame: 'peer', text: 'the CREATE names a circuit key that this hub does not hold' },

  // Maps, descriptors and the directory.
  'encoding-invalid': { wire: 0, blame: 'peer', text: 'the bytes are not a valid encoding' },
  'document-too-large': { wire: 0, blame: 'peer', text: 'the document is larger than allowed' },
  'signature-invalid': { wire: 0, blame: 'peer', text: 'a signature does not verify' },
  'signatures-too-few': {
    wire: 0,
    blame: 'network',
    text: 'the document carries too few signatures of known directories',
  },
  'map-expired': { wire: 0, blame: 'network', text: 'the hub map has expired' },
  'map-early': { wire: 0, blame: 'network', text: 'the hub map is not valid yet' },
  'map-older': { wire: 0, blame: 'network', text: 'the hub map is older than the one already held' },
  'keys-damaged': { wire: 0, blame: 'network', text: 'the circuit keys are not those that the hub map names' },
  'map-network': { wire: 0, blame: 'network', text: 'the hub map belongs to another network' },
  'map-scope': {
    wire: 0,
    blame: 'network',
    text: 'the hub map declares extra public addresses, which only a test network may do',
  },
  'descriptor-invalid': { wire: 0, blame: 'peer', text: 'the descriptor breaks a rule' },
  'descriptor-older': { wire: 0, blame: 'peer', text: 'a newer descriptor of this hub is already held' },
  'descriptor-rate': { wire: 0, blame: 'peer', text: 'this hub sends descriptors too often' },
  'version-refused': { wire: 0, blame: 'peer', text: 'the directory takes only newer versions of the program' },
  'request-rate': { wire: 0, blame: 'peer', text: 'this sender asks too often' },
  'list-older': { wire: 0, blame: 'self', text: 'the lists are older than those in force' },
  'note-epoch': { wire: 0, blame: 'peer', text: 'this is not about the epoch that is decided now' },
  'directory-unreachable': { wire: 0, blame: 'network', text: 'no directory could be reached' },
  'directory-refused': { wire: 0, blame: 'network', text: 'the directory refused the request' },
  'not-found': { wire: 0, blame: 'peer', text: 'the directory has nothing at this path' },
  'store-unreachable': { wire: 0, blame: 'host', text: 'the store of the directory can not be reached' },
  'store-slow': { wire: 0, blame: 'host', text: 'the store of the directory did not answer in time' },
  'store-full': { wire: 0, blame: 'host', text: 'the store of the directory has no room' },
  'store-read-only': { wire: 0, blame: 'host', text: 'the store of the directory takes no writes' },
  'store-unsafe': { wire: 0, blame: 'host', text: 'the store of the directory could lose what it is given' },
  'store-refused': { wire: 0, blame: 'self', text: 'the store of the directory refuses its user or password' },
  'lease-lost': { wire: 0, blame: 'self', text: 'another replica of the directory publishes now' },
  'clock-unknown': { wire: 0, blame: 'network', text: 'the time of the network is not known yet' },

  // Choosing a path.
  'path-no-home': { wire: 0, blame: 'network', text: 'no hub can be the home hub' },
  'path-no-exit': { wire: 0, blame: 'network', text: 'no exit of the map reaches this destination' },
  'path-too-few-hubs': { wire: 0, blame: 'network', text: 'the map has too few independent hubs for this path' },
  'destination-forbidden': { wire: 0, blame: 'self', text: 'this destination is not a public address' },
  'wish-unmet': { wire: 0, blame: 'self', text: 'a rule or an option asks for a path that no hubs of the map make' },

  // What the user's rules say.
  'rule-blocked': { wire: 0, blame: 'self', text: 'a rule blocks this connection' },
  'rule-dropped': { wire: 0, blame: 'self', text: 'a rule drops this connection' },
  'rule-direct': {
    wire: 0,
    blame: 'self',
    text: 'a rule sends this connection past the network, which a proxy does not do',
  },

  // This computer.
  'options-invalid': { wire: 0, blame: 'self', text: 'the configuration is not valid' },
  'state-corrupt': { wire: 0, blame: 'host', text: 'a state file is damaged' },
  'state-unreadable': { wire: 0, blame: 'host', text: 'a state file can not be read' },
  'state-unwritable': { wire: 0, blame: 'host', text: 'a state file can not be written' },
  'port-in-use': { wire: 0, blame: 'host', text: 'the address is already in use' },
  'address-unavailable': { wire: 0, blame: 'host', text: 'this computer has no such address' },
  'capability-missing': { wire: 0, blame: 'host', text: 'a right that is needed is missing' },
  'queue-taken': { wire: 0, blame: 'host', text: 'another program already serves the packet queue' },
  'firewall-failed': { wire: 0, blame: 'host', text: 'the firewall rules could not be changed' },
  'addon-missing': { wire: 0, blame: 'host', text: 'the native addon is not built' },
  'daemon-silent': { wire: 0, blame: 'host', text: 'no daemon answers; is it running?' },
  'daemon-running': { wire: 0, blame: 'host', text: 'the daemon is running' },
  'not-protected': { wire: 0, blame: 'self', text: 'this client does not intercept, so there is nothing to open' },
  'program-missing': { wire: 0, blame: 'host', text: 'a program that is needed is not installed' },
  'limit-reached': { wire: 0, blame: 'self', text: 'a limit of this program is reached' },
  cancelled: { wire: 0, blame: 'self', text: 'the operation was cancelled' },
  internal: { wire: 0, blame: 'self', text: 'an unexpected error, which is a bug' },
} as const satisfies Record<string, { wire: number; blame: Blame; text: string }>

export type Blame = 'self' | 'host' | 'peer' | 'network' | 'remote'
export type FaultCode = keyof typeof FAULTS

const byWire = new Map<number, FaultCode>(
  (Object.keys(FAULTS) as FaultCode[])
    .filter((code) => FAULTS[code].wire !== 0)
    .map((code) => [FAULTS[code].wire, code]),
)

/** The fault that a byte from the wire stands for; undefined for a byte that the table does not know. */
export function faultFromWire(byte: number): FaultCode | undefined {
  return byWire.get(byte)
}
