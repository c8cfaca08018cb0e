// Which sockets this computer has: asked of the kernel by the two ends of a flow, listed, and ended.
#pragma once

#include <napi.h>

#include <vector>

#include "netlink.h"

namespace spn {

// JavaScript: new SocketDiag()
class SocketDiag : public Napi::ObjectWrap<SocketDiag> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SocketDiag(const Napi::CallbackInfo& info);

 private:
  Napi::Value find(const Napi::CallbackInfo& info);
  Napi::Value findListening(const Napi::CallbackInfo& info);
  Napi::Value list(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  // Sends one request, and hands every socket of the answer to `visit`. 0, or a negative errno.
  template <typename Visit>
  int ask(const std::vector<uint8_t>& request, bool isDump, Visit visit);

  NetlinkSocket socket_;
  std::vector<uint8_t> request_;
  std::vector<uint8_t> receiveBuffer_;
  uint32_t sequence_ = 0;
};

}  // namespace spn
