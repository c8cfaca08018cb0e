// A packet message of the kernel's queue as the object that JavaScript gets.
#pragma once

#include <linux/netlink.h>
#include <node_api.h>

namespace spn {

// The object that native.ts calls QueuedPacket; null if the message holds no packet, or if JavaScript can run no more
// because its thread is being ended.
napi_value packetObject(napi_env env, const nlmsghdr* message);

}  // namespace spn
