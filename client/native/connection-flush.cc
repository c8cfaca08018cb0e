#include "connection-flush.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <vector>

#include "errno-error.h"
#include "netlink.h"

namespace spn {
namespace {

constexpr uint16_t kDeleteMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
constexpr int kAnswerTimeoutMs = 5000;
constexpr size_t kReceiveBytes = 4 * 1024;

// The kernel's answer to a message that asked for one: 0 or an errno.
int acknowledgement(NetlinkSocket& socket) {
  alignas(nlmsghdr) uint8_t answer[kReceiveBytes];
  int result = socket.wait(kAnswerTimeoutMs);
  if (result == 0) result = socket.receive(answer, sizeof answer);
  if (result < 0) return -result;
  int error = EBADMSG;
  forEachMessage(answer, result, [&](const nlmsghdr* message) {
    if (errorOf(message) >= 0) error = errorOf(message);
  });
  return error;
}

}  // namespace

Napi::Value forgetConnections(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsNumber()) {
    Napi::TypeError::New(env, "forgetConnections needs a mark and a mask").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const uint32_t mark = htonl(info[0].ToNumber().Uint32Value());
  const uint32_t mask = htonl(info[1].ToNumber().Uint32Value());

  // Without a tuple the kernel takes all connections that pass the filter.
  std::vector<uint8_t> request;
  NetlinkWriter writer(request);
  writer.begin(kDeleteMessage, NLM_F_ACK, AF_UNSPEC, 0);
  writer.add(CTA_MARK, &mark, sizeof mark);
  writer.add(CTA_MARK_MASK, &mask, sizeof mask);
  writer.end();

  NetlinkSocket socket;
  int error = -socket.open();
  if (error == 0) error = -socket.send(request);
  if (error == 0) error = acknowledgement(socket);
  if (error != 0) errnoError(env, error, "connections could not be forgotten").ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace spn
