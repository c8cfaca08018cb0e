#include "netlink-queue.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

#include <cerrno>

#include "errno-error.h"
#include "packet-object.h"

namespace spn {
namespace {

constexpr uint16_t kConfigMessage = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG;
constexpr uint16_t kPacketMessage = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
constexpr uint16_t kVerdictMessage = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT;

// The largest payload that the kernel copies, and room for the attributes around it.
constexpr size_t kReceiveBytes = 0x10000 + 4096;
// After so many messages JavaScript gets its turn.
constexpr uint32_t kMaxBatch = 256;
// Verdicts are sent when so many bytes have come together; the kernel refuses messages beyond its send buffer.
constexpr size_t kMaxVerdictBytes = 32 * 1024;
// The kernel answers a request while it is being sent, so this only guards against waiting for ever.
constexpr int kAnswerTimeoutMs = 2000;

void appendConfigCommand(NetlinkWriter& writer, uint8_t command) {
  nfqnl_msg_config_cmd config = {};
  config.command = command;
  writer.add(NFQA_CFG_CMD, &config, sizeof config);
}

// An old command that does nothing any more, but still asks for the right to configure queues and is answered.
std::vector<uint8_t> harmlessCommand() {
  std::vector<uint8_t> message;
  NetlinkWriter writer(message);
  writer.begin(kConfigMessage, NLM_F_ACK, AF_UNSPEC, 0);
  appendConfigCommand(writer, NFQNL_CFG_CMD_PF_BIND);
  writer.end();
  return message;
}

}  // namespace

// What libuv and Node hold on to. It outlives the NfQueue until libuv has let go of it.
struct NfQueue::Watch {
  uv_poll_t poll;
  NfQueue* owner;
  napi_async_cleanup_hook_handle hook;

  static void onEvent(uv_poll_t* poll, int status, int) {
    auto* watch = static_cast<Watch*>(poll->data);
    if (watch->owner == nullptr) return;
    // libuv stops watching a socket that has an error to tell, here always the one that messages were thrown away.
    // Reading takes the error off; one that stays ends the queue there.
    if (status < 0) uv_poll_start(poll, UV_READABLE, onEvent);
    watch->owner->onReadable();
  }

  // The thread ends while the queue is open.
  static void onThreadEnd(napi_async_cleanup_hook_handle, void* data) {
    auto* watch = static_cast<Watch*>(data);
    if (watch->owner != nullptr) watch->owner->stopWatch();
  }

  static void onClosed(uv_handle_t* handle) {
    auto* watch = static_cast<Watch*>(handle->data);
    napi_remove_async_cleanup_hook(watch->hook);
    delete watch;
  }
};

Napi::Function NfQueue::define(Napi::Env env) {
  return DefineClass(env, "NfQueue",
                     {
                         InstanceMethod<&NfQueue::verdict>("verdict"),
                         InstanceMethod<&NfQueue::flush>("flush"),
                         InstanceMethod<&NfQueue::close>("close"),
                         InstanceMethod<&NfQueue::stats>("stats"),
                     });
}

NfQueue::NfQueue(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NfQueue>(info), context_(info.Env(), "NfQueue"), receiveBuffer_(kReceiveBytes) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    Napi::TypeError::New(env, "NfQueue needs options and a function").ThrowAsJavaScriptException();
    return;
  }
  const auto options = info[0].As<Napi::Object>();
  const auto number = [&options](const char* name) { return options.Get(name).ToNumber().Uint32Value(); };
  queue_ = static_cast<uint16_t>(number("queue"));
  onPackets_ = Napi::Persistent(info[1].As<Napi::Function>());

  int result = socket_.open();
  if (result == 0) {
    // Before the bind: packets may come with it.
    socket_.setReceiveBuffer(static_cast<int>(number("receiveBuffer")));
    result = bindQueue(number("copyRange"), number("maxLength"));
  }
  if (result == 0) result = startWatch();
  if (result < 0) {
    socket_.close();
    errnoError(env, -result, "the packet queue could not be opened").ThrowAsJavaScriptException();
  }
}

NfQueue::~NfQueue() { stopWatch(); }

int NfQueue::bindQueue(uint32_t copyRange, uint32_t maxLength) {
  // A missing right and a queue that is taken are both answered by EPERM. Only the first also refuses this command,
  // which tells the two apart, in user namespaces too.
  const std::vector<uint8_t> harmless = harmlessCommand();
  int result = request(harmless);
  if (result < 0) return result;

  // One message, so that no packet can come to a queue that is only half set up.
  std::vector<uint8_t> message;
  NetlinkWriter writer(message);
  writer.begin(kConfigMessage, NLM_F_ACK, AF_UNSPEC, queue_);
  appendConfigCommand(writer, NFQNL_CFG_CMD_BIND);
  nfqnl_msg_config_params params = {};
  params.copy_range = htonl(copyRange);
  params.copy_mode = NFQNL_COPY_PACKET;
  writer.add(NFQA_CFG_PARAMS, &params, sizeof params);
  const uint32_t length = htonl(maxLength);
  writer.add(NFQA_CFG_QUEUE_MAXLEN, &length, sizeof length);
  // GSO: large packets come whole. FAIL_OPEN is named in the mask only: what does not fit is dropped, never let pass.
  const uint32_t mask = htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID | NFQA_CFG_F_FAIL_OPEN);
  const uint32_t flags = htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID);
  writer.add(NFQA_CFG_MASK, &mask, sizeof mask);
  writer.add(NFQA_CFG_FLAGS, &flags, sizeof flags);
  writer.end();
  result = request(message);
  if (result == -EPERM) return -EBUSY;
  // The answer to this one wakes the loop, which then finds the early packets.
  return result == 0 && !early_.empty() ? socket_.send(harmless) : result;
}

// Sends one request and waits for its answer. Packets that come in between are kept.
int NfQueue::request(const std::vector<uint8_t>& message) {
  int result = socket_.send(message);
  if (result < 0) return result;
  for (;;) {
    const int length = socket_.receive(receiveBuffer_.data(), receiveBuffer_.size());
    if (length == -EAGAIN) {
      result = socket_.wait(kAnswerTimeoutMs);
      if (result < 0) return result;
      continue;
    }
    if (length == -ENOBUFS) {
      overruns_++;
      continue;
    }
    if (length < 0) return length;
    int answer = -1;
    forEachMessage(receiveBuffer_.data(), length, [&](const nlmsghdr* received) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(received);
      if (received->nlmsg_type == kPacketMessage) early_.emplace_back(bytes, bytes + received->nlmsg_len);
      else if (answer < 0) answer = errorOf(received);
    });
    if (answer >= 0) return -answer;
  }
}

int NfQueue::startWatch() {
  const napi_env env = Env();
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return -EINVAL;
  auto* watch = new Watch{};
  watch->owner = this;
  int result = uv_poll_init(loop, &watch->poll, socket_.fd());
  if (result < 0) {
    delete watch;
    return result;
  }
  watch->poll.data = watch;
  napi_add_async_cleanup_hook(env, Watch::onThreadEnd, watch, &watch->hook);
  uv_poll_start(&watch->poll, UV_READABLE, Watch::onEvent);
  watch_ = watch;
  Ref();
  return 0;
}

void NfQueue::stopWatch() {
  if (watch_ == nullptr) return;
  Watch* watch = watch_;
  watch_ = nullptr;
  watch->owner = nullptr;
  uv_poll_stop(&watch->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), Watch::onClosed);
  socket_.close();
}

void NfQueue::release() {
  stopWatch();
  Unref();
}

void NfQueue::onReadable() {
  const napi_env env = Env();
  const Napi::HandleScope scope(env);
  napi_value batch = nullptr;
  uint32_t count = 0;
  if (napi_create_array(env, &batch) != napi_ok) return;
  for (const auto& message : early_) addPacket(batch, count, reinterpret_cast<const nlmsghdr*>(message.data()));
  early_.clear();
  const int result = readInto(batch, count);
  if (count > 0) deliver(batch);
  if (result < 0 && watch_ != nullptr) fail(-result, "the packet queue broke");
}

int NfQueue::readInto(napi_value batch, uint32_t& count) {
  for (uint32_t messages = 0; messages < kMaxBatch; messages++) {
    const int length = socket_.receive(receiveBuffer_.data(), receiveBuffer_.size());
    if (length == -EAGAIN) return 0;
    if (length == -ENOBUFS) {
      overruns_++;
      continue;
    }
    if (length < 0) return length;
    forEachMessage(receiveBuffer_.data(), length, [&](const nlmsghdr* message) {
      if (message->nlmsg_type == kPacketMessage) addPacket(batch, count, message);
      else if (errorOf(message) > 0) rejectedVerdicts_++;
    });
  }
  return 0;
}

void NfQueue::addPacket(napi_value batch, uint32_t& count, const nlmsghdr* message) {
  const napi_value packet = packetObject(Env(), message);
  if (packet == nullptr || napi_set_element(Env(), batch, count, packet) != napi_ok) return;
  count++;
  packets_++;
}

// From a callback of libuv only napi_make_callback also runs what the function left for later (promises, nextTick).
void NfQueue::deliver(napi_value batch) {
  const napi_env env = Env();
  napi_make_callback(env, context_, Value(), onPackets_.Value(), 1, &batch, nullptr);
  bool thrown = false;
  napi_value error = nullptr;
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
  if (watch_ == nullptr) return;
  const int result = sendVerdicts();
  if (result < 0) fail(-result, "verdicts could not be sent");
}

void NfQueue::fail(int error, const char* what) {
  release();
  napi_fatal_exception(Env(), errnoError(Env(), error, what).Value());
}

// verdict(id, accept, mark): a mark replaces the packet's whole mark; without one it keeps its own.
Napi::Value NfQueue::verdict(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (watch_ == nullptr) return env.Undefined();
  nfqnl_msg_verdict_hdr header = {};
  header.id = htonl(info[0].ToNumber().Uint32Value());
  header.verdict = htonl(info[1].ToBoolean().Value() ? NF_ACCEPT : NF_DROP);

  NetlinkWriter writer(verdicts_);
  writer.begin(kVerdictMessage, 0, AF_UNSPEC, queue_);
  writer.add(NFQA_VERDICT_HDR, &header, sizeof header);
  if (info[2].IsNumber()) {
    const uint32_t mark = htonl(info[2].As<Napi::Number>().Uint32Value());
    writer.add(NFQA_MARK, &mark, sizeof mark);
  }
  writer.end();
  return verdicts_.size() >= kMaxVerdictBytes ? flush(info) : env.Undefined();
}

Napi::Value NfQueue::flush(const Napi::CallbackInfo& info) {
  if (watch_ == nullptr) return info.Env().Undefined();
  const int result = sendVerdicts();
  if (result < 0) errnoError(info.Env(), -result, "verdicts could not be sent").ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

int NfQueue::sendVerdicts() {
  if (verdicts_.empty()) return 0;
  const int result = socket_.send(verdicts_);
  verdicts_.clear();
  return result;
}

Napi::Value NfQueue::close(const Napi::CallbackInfo& info) {
  if (watch_ != nullptr) {
    sendVerdicts();
    release();
  }
  return info.Env().Undefined();
}

Napi::Value NfQueue::stats(const Napi::CallbackInfo& info) {
  Napi::Object stats = Napi::Object::New(info.Env());
  stats.Set("packets", Napi::Number::New(info.Env(), packets_));
  stats.Set("overruns", Napi::Number::New(info.Env(), overruns_));
  stats.Set("rejectedVerdicts", Napi::Number::New(info.Env(), rejectedVerdicts_));
  return stats;
}

}  // namespace spn
