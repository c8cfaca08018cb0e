// Sending from, and listening at, addresses that no interface of this computer has.
#pragma once

#include <napi.h>

namespace spn {

// sendPacket(packet)
// Sends a whole IP packet, from its header on, to the destination that stands in it, whatever its source.
// Throws an Error with a `code` (EPERM: the right CAP_NET_RAW is missing).
Napi::Value sendPacket(const Napi::CallbackInfo& info);

// bindForeign(protocol, address, port) -> descriptor
// A TCP (6) or UDP (17) socket bound to an address that only a route makes local. The descriptor is the caller's.
// Throws an Error with a `code`.
Napi::Value bindForeign(const Napi::CallbackInfo& info);

// interfaceName(index) -> name | undefined
Napi::Value interfaceName(const Napi::CallbackInfo& info);

}  // namespace spn
