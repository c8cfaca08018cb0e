#include "original-flow.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "errno-error.h"
#include "netlink.h"

namespace spn {
namespace {

// SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST; their headers clash with netinet/in.h.
constexpr int kOriginalDestination = 80;

constexpr uint16_t kGetMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
constexpr uint16_t kDeleteMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
constexpr uint16_t kNewMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr int kAnswerTimeoutMs = 1000;
constexpr size_t kReceiveBytes = 16 * 1024;
constexpr uint8_t kNoPort[2] = {0, 0};

// Attribute types of addresses and of echoes in a tuple, by family.
struct TupleTypes {
  uint8_t family;
  uint16_t source;
  uint16_t destination;
  size_t addressBytes;
  uint16_t echoId;
  uint16_t icmpType;
  uint16_t icmpCode;
  uint8_t echoRequest;
};
constexpr TupleTypes kIpv4 = {AF_INET,           CTA_IP_V4_SRC,       CTA_IP_V4_DST,       4,
                              CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE, 8};
constexpr TupleTypes kIpv6 = {AF_INET6,            CTA_IP_V6_SRC,         CTA_IP_V6_DST,         16,
                              CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE, 128};

Napi::Value throwErrno(Napi::Env env, int error) {
  errnoError(env, error, "the connection could not be looked up").ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value copyBytes(Napi::Env env, const void* bytes, size_t length) {
  Napi::Uint8Array copy = Napi::Uint8Array::New(env, length);
  std::memcpy(copy.Data(), bytes, length);
  return copy;
}

Napi::Value endpoint(Napi::Env env, const void* address, size_t length, uint16_t portInNetworkOrder) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("address", copyBytes(env, address, length));
  result.Set("port", Napi::Number::New(env, ntohs(portInNetworkOrder)));
  return result;
}

void addPort(NetlinkWriter& writer, uint16_t type, const Napi::Value& port) {
  const uint16_t value = htons(static_cast<uint16_t>(port.ToNumber().Uint32Value()));
  writer.add(type, &value, sizeof value);
}

// The original ends in the description of a tracked connection; undefined if they are not in it.
Napi::Value readOriginal(Napi::Env env, const nlmsghdr* message, const TupleTypes& types) {
  const NetlinkAttributes tuple = attributesOf(message).nest(CTA_TUPLE_ORIG);
  const NetlinkAttributes ip = tuple.nest(CTA_TUPLE_IP);
  const NetlinkAttributes protocol = tuple.nest(CTA_TUPLE_PROTO);
  const uint8_t* source = ip.find(types.source, types.addressBytes);
  const uint8_t* destination = ip.find(types.destination, types.addressBytes);
  // An echo has an identifier in place of its source port, and no other.
  const uint8_t* echoId = protocol.find(types.echoId, 2);
  const uint8_t* sourcePort = echoId == nullptr ? protocol.find(CTA_PROTO_SRC_PORT, 2) : echoId;
  const uint8_t* destinationPort = echoId == nullptr ? protocol.find(CTA_PROTO_DST_PORT, 2) : kNoPort;
  if (source == nullptr || destination == nullptr || sourcePort == nullptr || destinationPort == nullptr) {
    return env.Undefined();
  }
  const auto port = [](const uint8_t* bytes) {
    uint16_t value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  };
  Napi::Object result = Napi::Object::New(env);
  result.Set("source", endpoint(env, source, types.addressBytes, port(sourcePort)));
  result.Set("destination", endpoint(env, destination, types.addressBytes, port(destinationPort)));
  return result;
}

// Says something about the tracked connection between these ends, as a listener sees them, and hands the kernel's answers
// to `visit`: the messages of one receive. Arguments as of originalFlow. False if it threw.
template <typename Visit>
bool ask(const Napi::CallbackInfo& info, uint16_t type, uint16_t flags, Visit visit) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[1].IsTypedArray() || !info[3].IsTypedArray()) {
    Napi::TypeError::New(env, "a protocol and two endpoints are needed").ThrowAsJavaScriptException();
    return false;
  }
  const auto local = info[1].As<Napi::Uint8Array>();
  const auto peer = info[3].As<Napi::Uint8Array>();
  const TupleTypes& types = local.ByteLength() == kIpv4.addressBytes ? kIpv4 : kIpv6;
  if (local.ByteLength() != types.addressBytes || peer.ByteLength() != types.addressBytes) return true;

  // Named by the reply's direction: from the listener to the program.
  std::vector<uint8_t> request;
  NetlinkWriter writer(request);
  writer.begin(type, flags, types.family, 0);
  const size_t tuple = writer.openNest(CTA_TUPLE_REPLY);
  const size_t ip = writer.openNest(CTA_TUPLE_IP);
  writer.add(types.source, local.Data(), types.addressBytes);
  writer.add(types.destination, peer.Data(), types.addressBytes);
  writer.closeNest(ip);
  const size_t protocol = writer.openNest(CTA_TUPLE_PROTO);
  const auto number = static_cast<uint8_t>(info[0].ToNumber().Uint32Value());
  writer.add(CTA_PROTO_NUM, &number, sizeof number);
  if (number == IPPROTO_ICMP || number == IPPROTO_ICMPV6) {
    const uint8_t code = 0;
    addPort(writer, types.echoId, info[2]);
    writer.add(types.icmpType, &types.echoRequest, sizeof types.echoRequest);
    writer.add(types.icmpCode, &code, sizeof code);
  } else {
    addPort(writer, CTA_PROTO_SRC_PORT, info[2]);
    addPort(writer, CTA_PROTO_DST_PORT, info[4]);
  }
  writer.closeNest(protocol);
  writer.closeNest(tuple);
  writer.end();

  NetlinkSocket socket;
  int result = socket.open();
  if (result == 0) result = socket.send(request);
  if (result == 0) result = socket.wait(kAnswerTimeoutMs);
  alignas(nlmsghdr) uint8_t answer[kReceiveBytes];
  if (result == 0) result = socket.receive(answer, sizeof answer);
  int error = result < 0 ? -result : 0;
  if (error == 0) {
    forEachMessage(answer, result, [&](const nlmsghdr* message) {
      if (errorOf(message) > 0) error = errorOf(message);
      else visit(message, types);
    });
  }
  if (error == 0 || error == ENOENT) return true;
  throwErrno(env, error);
  return false;
}

}  // namespace

Napi::Value originalDestination(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = info[0].ToNumber().Int32Value();
  sockaddr_storage local = {};
  socklen_t length = sizeof local;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) != 0) return env.Undefined();

  if (local.ss_family == AF_INET) {
    sockaddr_in to = {};
    length = sizeof to;
    if (::getsockopt(fd, SOL_IP, kOriginalDestination, &to, &length) != 0) return env.Undefined();
    return endpoint(env, &to.sin_addr, sizeof to.sin_addr, to.sin_port);
  }
  if (local.ss_family == AF_INET6) {
    sockaddr_in6 to = {};
    length = sizeof to;
    if (::getsockopt(fd, SOL_IPV6, kOriginalDestination, &to, &length) != 0) return env.Undefined();
    return endpoint(env, &to.sin6_addr, sizeof to.sin6_addr, to.sin6_port);
  }
  return env.Undefined();
}

Napi::Value originalFlow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Value found = env.Undefined();
  ask(info, kGetMessage, 0, [&](const nlmsghdr* message, const TupleTypes& types) {
    if (message->nlmsg_type == kNewMessage) found = readOriginal(env, message, types);
  });
  return found;
}

Napi::Value forgetFlow(const Napi::CallbackInfo& info) {
  ask(info, kDeleteMessage, NLM_F_ACK, [](const nlmsghdr*, const TupleTypes&) {});
  return info.Env().Undefined();
}

}  // namespace spn
