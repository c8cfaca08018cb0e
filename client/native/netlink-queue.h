// A packet queue of the kernel (NFQUEUE) as a JavaScript object.
#pragma once

#include <napi.h>
#include <uv.h>

#include <cstdint>
#include <vector>

#include "netlink.h"

namespace spn {

// new NfQueue({ queue, copyRange, maxLength, receiveBuffer }, onPackets)
//
// Binds the queue at once; throws an Error with a `code`:
//   EPERM  the right CAP_NET_ADMIN is missing      EBUSY  somebody else serves this queue      or any other errno
// `onPackets(packets)` is called on this thread with one array per wake-up. Verdicts given while it runs are sent
// together when it returns; later ones, in any order and any number outstanding, when flush() is called.
//
// Lives in any thread of Node. An open queue keeps its thread's loop and itself alive until close(), or until the
// thread ends. Closing drops every packet that has no verdict.
class NfQueue : public Napi::ObjectWrap<NfQueue> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit NfQueue(const Napi::CallbackInfo& info);
  ~NfQueue() override;

 private:
  struct Watch;

  Napi::Value verdict(const Napi::CallbackInfo& info);
  Napi::Value flush(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);

  // 0 or a negative errno.
  int bindQueue(uint32_t copyRange, uint32_t maxLength);
  int request(const std::vector<uint8_t>& message);
  int startWatch();
  void stopWatch();
  // Stops, and lets the object be collected.
  void release();

  void onReadable();
  // Both append to `batch`, which holds `count` packets.
  int readInto(napi_value batch, uint32_t& count);
  void addPacket(napi_value batch, uint32_t& count, const nlmsghdr* message);
  void deliver(napi_value batch);
  // The queue ends, as an uncaught error of this thread.
  void fail(int error, const char* what);
  int sendVerdicts();

  NetlinkSocket socket_;
  uint16_t queue_ = 0;
  Watch* watch_ = nullptr;
  Napi::FunctionReference onPackets_;
  Napi::AsyncContext context_;
  std::vector<uint8_t> receiveBuffer_;
  std::vector<uint8_t> verdicts_;
  // Packet messages that came before the queue was fully set up.
  std::vector<std::vector<uint8_t>> early_;
  double packets_ = 0;
  double overruns_ = 0;
  double rejectedVerdicts_ = 0;
};

}  // namespace spn
