#include "socket-diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

#include "errno-error.h"
#include "object-builder.h"

namespace spn {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;
// The kernel answers while it takes the request, so this only guards against waiting for ever.
constexpr int kAnswerTimeoutMs = 1000;

constexpr uint32_t kAllStates = 0xffffffff;
constexpr uint32_t kListening = 1u << TCP_LISTEN;
// Those of a TCP connection that a program has, or is opening.
constexpr uint32_t kConnected =
    1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT;

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// One end: 4 bytes or 16 of an address, and a port in network order.
struct End {
  const uint8_t* address;
  size_t length;
  uint16_t port;

  bool isSame(const End& other) const {
    return port == other.port && length == other.length && std::memcmp(address, other.address, length) == 0;
  }
  bool isAny() const {
    for (size_t i = 0; i < length; i++)
      if (address[i] != 0) return false;
    return true;
  }
};

// IPv4-mapped addresses of a dual-stack socket are read as the IPv4 addresses that they are on the wire.
End endOf(const __be32* address, uint16_t family, uint16_t port) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(address);
  if (family == AF_INET) return {bytes, 4, port};
  if (std::memcmp(bytes, kMappedPrefix, sizeof kMappedPrefix) == 0) return {bytes + sizeof kMappedPrefix, 4, port};
  return {bytes, 16, port};
}

// The arguments `address, port` at this place of a call. Length 0 if they are none.
End endArgument(const Napi::CallbackInfo& info, size_t at) {
  if (info.Length() < at + 2 || !info[at].IsTypedArray()) return {nullptr, 0, 0};
  const auto bytes = info[at].As<Napi::Uint8Array>();
  if (bytes.ByteLength() != 4 && bytes.ByteLength() != 16) return {nullptr, 0, 0};
  return {bytes.Data(), bytes.ByteLength(), htons(static_cast<uint16_t>(info[at + 1].ToNumber().Uint32Value()))};
}

inet_diag_req_v2 requestFor(uint8_t family, uint8_t protocol, uint32_t states) {
  inet_diag_req_v2 request = {};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = states;
  request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return request;
}

inet_diag_req_v2 requestFor(uint8_t protocol, const End& source, const End& destination) {
  inet_diag_req_v2 request = requestFor(source.length == 4 ? AF_INET : AF_INET6, protocol, kAllStates);
  std::memcpy(request.id.idiag_src, source.address, source.length);
  std::memcpy(request.id.idiag_dst, destination.address, destination.length);
  request.id.idiag_sport = source.port;
  request.id.idiag_dport = destination.port;
  return request;
}

// One socket of an answer. Borrows the message.
struct Found {
  const inet_diag_msg* message;
  NetlinkAttributes attributes;
  End source;
  End destination;

  explicit Found(const nlmsghdr* header)
      : message(static_cast<const inet_diag_msg*>(NLMSG_DATA(header))),
        attributes(reinterpret_cast<const uint8_t*>(message + 1), header->nlmsg_len - NLMSG_LENGTH(sizeof *message)),
        source(endOf(message->id.idiag_src, message->idiag_family, message->id.idiag_sport)),
        destination(endOf(message->id.idiag_dst, message->idiag_family, message->id.idiag_dport)) {}

  bool isIpv6Only() const {
    const uint8_t* only = attributes.find(INET_DIAG_SKV6ONLY, 1);
    return only != nullptr && *only != 0;
  }

  // May a datagram from one end to the other have come from here? A connected socket can send elsewhere too.
  bool maySend(const End& from) const {
    if (source.port != from.port) return false;
    if (!source.isAny()) return source.isSame(from);
    return message->idiag_family == AF_INET6 ? from.length == 16 || !isIpv6Only() : from.length == 4;
  }
};

napi_value socketObject(napi_env env, const Found& found, bool withEnds) {
  const auto setEnd = [env](ObjectBuilder& socket, const char* name, const End& end) {
    ObjectBuilder endpoint(env);
    endpoint.setBytes("address", end.address, end.length);
    endpoint.set("port", static_cast<uint32_t>(ntohs(end.port)));
    socket.setNested(name, endpoint);
  };
  const inet_diag_msg& message = *found.message;
  ObjectBuilder socket(env);
  if (withEnds) {
    setEnd(socket, "source", found.source);
    setEnd(socket, "destination", found.destination);
  }
  socket.set("inode", message.idiag_inode);
  socket.set("uid", message.idiag_uid);
  socket.setBigInt("cookie", static_cast<uint64_t>(message.id.idiag_cookie[1]) << 32 | message.id.idiag_cookie[0]);
  const uint8_t* cgroup = found.attributes.find(INET_DIAG_CGROUP_ID, sizeof(uint64_t));
  uint64_t id = 0;
  if (cgroup != nullptr) std::memcpy(&id, cgroup, sizeof id);
  socket.setLarge("cgroup", id);
  return socket.result();
}

// Gathers sockets into an array.
class SocketArray {
 public:
  SocketArray(napi_env env, bool withEnds) : env_(env), withEnds_(withEnds) {
    if (napi_create_array(env, &array_) != napi_ok) array_ = nullptr;
  }
  void add(const Found& found) {
    // Without an inode nobody has it open any more.
    if (array_ == nullptr || found.message->idiag_inode == 0) return;
    const napi_value socket = socketObject(env_, found, withEnds_);
    if (socket != nullptr && napi_set_element(env_, array_, count_, socket) == napi_ok) count_++;
  }
  Napi::Value value() const { return Napi::Value(env_, array_); }

 private:
  napi_env env_;
  bool withEnds_;
  napi_value array_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace

Napi::Function SocketDiag::define(Napi::Env env) {
  return DefineClass(env, "SocketDiag",
                     {
                         InstanceMethod<&SocketDiag::find>("find"),
                         InstanceMethod<&SocketDiag::findListening>("findListening"),
                         InstanceMethod<&SocketDiag::list>("list"),
                         InstanceMethod<&SocketDiag::destroy>("destroy"),
                         InstanceMethod<&SocketDiag::close>("close"),
                     });
}

SocketDiag::SocketDiag(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SocketDiag>(info), receiveBuffer_(kReceiveBytes) {
  const int result = socket_.open(NETLINK_SOCK_DIAG);
  if (result < 0) errnoError(info.Env(), -result, "sockets cannot be asked for").ThrowAsJavaScriptException();
}

template <typename Visit>
int SocketDiag::ask(const std::vector<uint8_t>& request, bool isDump, Visit visit) {
  const uint32_t sequence = reinterpret_cast<const nlmsghdr*>(request.data())->nlmsg_seq;
  int result = socket_.send(request);
  while (result >= 0) {
    const int length = socket_.receive(receiveBuffer_.data(), receiveBuffer_.size());
    if (length == -EAGAIN) {
      result = socket_.wait(kAnswerTimeoutMs);
      continue;
    }
    if (length < 0) return length;
    bool isDone = false;
    forEachMessage(receiveBuffer_.data(), length, [&](const nlmsghdr* message) {
      // Something that a request before did not wait for.
      if (message->nlmsg_seq != sequence) return;
      if (message->nlmsg_type == NLMSG_DONE) isDone = true;
      else if (message->nlmsg_type == NLMSG_ERROR) {
        isDone = true;
        result = -errorOf(message);
      } else if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg))) {
        visit(Found(message));
        isDone = isDone || !isDump;
      }
    });
    if (isDone) return result;
  }
  return result;
}

namespace {

void writeRequest(std::vector<uint8_t>& into, uint16_t type, uint16_t flags, const inet_diag_req_v2& request,
                  uint32_t sequence) {
  into.clear();
  NetlinkWriter writer(into);
  writer.beginWith(type, flags, &request, sizeof request);
  writer.end();
  reinterpret_cast<nlmsghdr*>(into.data())->nlmsg_seq = sequence;
}

}  // namespace

// A TCP connection has one socket, which the kernel finds by both ends. A UDP port may be shared by several sockets
// (SO_REUSEPORT, SO_REUSEADDR), of which the kernel would name any one: so all sockets of the port are looked at.
Napi::Value SocketDiag::find(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto protocol = static_cast<uint8_t>(info[0].ToNumber().Uint32Value());
  const End source = endArgument(info, 1);
  const End destination = endArgument(info, 3);
  if (source.length == 0 || source.length != destination.length) {
    Napi::TypeError::New(env, "find needs a protocol and two endpoints").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  SocketArray sockets(env, false);
  int result = 0;
  if (protocol == IPPROTO_TCP) {
    writeRequest(request_, SOCK_DIAG_BY_FAMILY, 0, requestFor(protocol, source, destination), ++sequence_);
    // A listener on the same port answers too, if the connection is gone.
    result = ask(request_, false, [&](const Found& found) {
      if (found.source.isSame(source) && found.destination.isSame(destination)) sockets.add(found);
    });
  } else {
    for (const uint8_t family : {AF_INET, AF_INET6}) {
      if (family == AF_INET && source.length == 16) continue;
      inet_diag_req_v2 request = requestFor(family, protocol, kAllStates);
      request.id.idiag_sport = source.port;
      writeRequest(request_, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request, ++sequence_);
      const int asked = ask(request_, true, [&](const Found& found) {
        if (found.maySend(source)) sockets.add(found);
      });
      // A kernel without IPv6 has no sockets of it.
      if (asked < 0 && family == AF_INET) result = asked;
    }
  }
  if (result < 0 && result != -ENOENT) {
    errnoError(env, -result, "a socket could not be found").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return sockets.value();
}

// findListening(protocol, address, port): the sockets that take what comes in there; for UDP see find.
Napi::Value SocketDiag::findListening(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto protocol = static_cast<uint8_t>(info[0].ToNumber().Uint32Value());
  const End at = endArgument(info, 1);
  if (at.length == 0) {
    Napi::TypeError::New(env, "findListening needs a protocol and an endpoint").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  SocketArray sockets(env, false);
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    if (family == AF_INET && at.length == 16) continue;
    inet_diag_req_v2 request = requestFor(family, protocol, protocol == IPPROTO_TCP ? kListening : kAllStates);
    request.id.idiag_sport = at.port;
    writeRequest(request_, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request, ++sequence_);
    const int result = ask(request_, true, [&](const Found& found) {
      if (found.maySend(at)) sockets.add(found);
    });
    if (result < 0 && family == AF_INET) {
      errnoError(env, -result, "a socket could not be found").ThrowAsJavaScriptException();
      return env.Undefined();
    }
  }
  return sockets.value();
}

// list(protocol): for TCP those that are connected or about to be, for UDP all.
Napi::Value SocketDiag::list(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto protocol = static_cast<uint8_t>(info[0].ToNumber().Uint32Value());
  SocketArray sockets(env, true);
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    const uint32_t states = protocol == IPPROTO_TCP ? kConnected : kAllStates;
    writeRequest(request_, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, requestFor(family, protocol, states), ++sequence_);
    const int result = ask(request_, true, [&](const Found& found) { sockets.add(found); });
    if (result < 0 && !(family == AF_INET6 && result == -ENOENT)) {
      errnoError(env, -result, "sockets could not be listed").ThrowAsJavaScriptException();
      return env.Undefined();
    }
  }
  return sockets.value();
}

// destroy(protocol, source, sourcePort, destination, destinationPort, cookie): false if it is not there any more.
Napi::Value SocketDiag::destroy(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto protocol = static_cast<uint8_t>(info[0].ToNumber().Uint32Value());
  const End source = endArgument(info, 1);
  const End destination = endArgument(info, 3);
  if (source.length == 0 || source.length != destination.length || !info[5].IsBigInt()) {
    Napi::TypeError::New(env, "destroy needs a protocol, two endpoints and a cookie").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  bool lossless = false;
  const uint64_t cookie = info[5].As<Napi::BigInt>().Uint64Value(&lossless);
  inet_diag_req_v2 request = requestFor(protocol, source, destination);
  request.id.idiag_cookie[0] = static_cast<uint32_t>(cookie);
  request.id.idiag_cookie[1] = static_cast<uint32_t>(cookie >> 32);
  writeRequest(request_, SOCK_DESTROY, NLM_F_ACK, request, ++sequence_);
  const int result = ask(request_, false, [](const Found&) {});
  if (result < 0 && result != -ENOENT && result != -ESTALE) {
    errnoError(env, -result, "a socket could not be ended").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Napi::Boolean::New(env, result == 0);
}

Napi::Value SocketDiag::close(const Napi::CallbackInfo& info) {
  socket_.close();
  return info.Env().Undefined();
}

}  // namespace spn
