// The native part of the client on Linux: the packet queue of the kernel, and where a redirected connection came from.
// Every thread of Node that loads the addon gets an instance of its own; nothing here is shared between them.
#include <napi.h>

#include "netlink-queue.h"
#include "original-flow.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("NfQueue", spn::NfQueue::define(env));
  exports.Set("originalDestination", Napi::Function::New(env, spn::originalDestination, "originalDestination"));
  exports.Set("originalFlow", Napi::Function::New(env, spn::originalFlow, "originalFlow"));
  return exports;
}

NODE_API_MODULE(spn_native, Init)
