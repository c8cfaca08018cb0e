// Where a connection wanted to go before the firewall redirected it to this computer.
#pragma once

#include <napi.h>

namespace spn {

// originalDestination(fd) -> { address, port } | undefined
// Of an accepted TCP socket. Undefined if the kernel does not know (any more).
Napi::Value originalDestination(const Napi::CallbackInfo& info);

// originalFlow(protocol, local, localPort, peer, peerPort)
//   -> { source: { address, port }, destination: { address, port } } | undefined
// Both ends as the program wanted them, of a redirected connection as this computer's listener sees it. The kernel may
// change the source port when it redirects two flows of the same port, so only this answer tells such flows apart.
// Throws an Error with a `code` if the kernel does not answer (EPERM: the right CAP_NET_ADMIN is missing).
Napi::Value originalFlow(const Napi::CallbackInfo& info);

// forgetFlow(protocol, local, localPort, peer, peerPort)
// The kernel tracks this connection no longer: its next packet is a first one. Arguments and errors as above.
Napi::Value forgetFlow(const Napi::CallbackInfo& info);

}  // namespace spn
