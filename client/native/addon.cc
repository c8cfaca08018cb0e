// The native part of the client on Linux: the packet queue of the kernel, where a redirected connection came from, whose a
// connection is, sending from addresses of others, the kernel's memory of connections; and what a service tells the manager
// of services.
// Every thread of Node that loads the addon gets an instance of its own; nothing here is shared between them.
#include <napi.h>

#include "connection-flush.h"
#include "exec-watch.h"
#include "foreign-address.h"
#include "near-processes.h"
#include "netlink-queue.h"
#include "original-flow.h"
#include "process-search.h"
#include "service-notify.h"
#include "socket-diag.h"
#include "thread-priority.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("NfQueue", spn::NfQueue::define(env));
  exports.Set("forgetConnections", Napi::Function::New(env, spn::forgetConnections, "forgetConnections"));
  exports.Set("notifyService", Napi::Function::New(env, spn::notifyService, "notifyService"));
  exports.Set("originalDestination", Napi::Function::New(env, spn::originalDestination, "originalDestination"));
  exports.Set("originalFlow", Napi::Function::New(env, spn::originalFlow, "originalFlow"));
  exports.Set("SocketDiag", spn::SocketDiag::define(env));
  exports.Set("findOpenSockets", Napi::Function::New(env, spn::findOpenSockets, "findOpenSockets"));
  exports.Set("hasOpenSocket", Napi::Function::New(env, spn::hasOpenSocket, "hasOpenSocket"));
  exports.Set("NearProcesses", spn::NearProcesses::define(env));
  exports.Set("ExecWatch", spn::ExecWatch::define(env));
  exports.Set("hurryThread", Napi::Function::New(env, spn::hurryThread, "hurryThread"));
  exports.Set("forgetFlow", Napi::Function::New(env, spn::forgetFlow, "forgetFlow"));
  exports.Set("sendPacket", Napi::Function::New(env, spn::sendPacket, "sendPacket"));
  exports.Set("bindForeign", Napi::Function::New(env, spn::bindForeign, "bindForeign"));
  exports.Set("interfaceName", Napi::Function::New(env, spn::interfaceName, "interfaceName"));
  return exports;
}

NODE_API_MODULE(spn_native, Init)
