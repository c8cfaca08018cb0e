// The native part of the hub on Linux: sockets that Node can not make by itself. What is made here is handed to Node,
// which reads, writes and closes it.
#include <arpa/inet.h>
#include <napi.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

// Behind the headers above, of which it needs struct timespec and sockaddr.
#include <linux/errqueue.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace {

constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

const char* nameOf(int error) { return uv_err_name(uv_translate_sys_error(error)); }

Napi::Value throwErrno(Napi::Env env, int error) {
  Napi::Error made = Napi::Error::New(env, std::string("no socket: ") + std::strerror(error));
  made.Set("code", Napi::String::New(env, nameOf(error)));
  made.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value closeAndThrow(Napi::Env env, int fd) {
  const int error = errno;
  ::close(fd);
  return throwErrno(env, error);
}

// openEcho(family) -> fd
// Sends ICMP echo requests and gets their answers. Needs no right but a group in net.ipv4.ping_group_range.
Napi::Value openEcho(const Napi::CallbackInfo& info) {
  const bool isV6 = info[0].ToNumber().Int32Value() == 6;
  const int protocol = isV6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
  const int fd = ::socket(isV6 ? AF_INET6 : AF_INET, SOCK_DGRAM | kFlags, protocol);
  if (fd < 0) return throwErrno(info.Env(), errno);
  return Napi::Number::New(info.Env(), fd);
}

// openUdp(family) -> fd
// Bound to a port that the system chooses, and told of ICMP errors.
Napi::Value openUdp(const Napi::CallbackInfo& info) {
  const bool isV6 = info[0].ToNumber().Int32Value() == 6;
  const int fd = ::socket(isV6 ? AF_INET6 : AF_INET, SOCK_DGRAM | kFlags, 0);
  if (fd < 0) return throwErrno(info.Env(), errno);
  const int on = 1;
  sockaddr_storage any = {};
  any.ss_family = isV6 ? AF_INET6 : AF_INET;
  const socklen_t length = isV6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  const bool isReady = isV6 ? ::setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0 &&
                                  ::setsockopt(fd, SOL_IPV6, IPV6_RECVERR, &on, sizeof on) == 0
                            : ::setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof on) == 0;
  if (!isReady || ::bind(fd, reinterpret_cast<sockaddr*>(&any), length) != 0) return closeAndThrow(info.Env(), fd);
  return Napi::Number::New(info.Env(), fd);
}

// nextError(fd) -> { code, address, port } | undefined
// What the network said of a datagram that was sent to this address (4 or 16 bytes) and port. Undefined if nothing more.
Napi::Value nextError(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  sockaddr_storage peer = {};
  alignas(cmsghdr) char control[512];
  char payload[1];
  iovec data = {payload, sizeof payload};
  msghdr message = {};
  message.msg_name = &peer;
  message.msg_namelen = sizeof peer;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(info[0].ToNumber().Int32Value(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return env.Undefined();

  int error = 0;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    const bool isOurs = (one->cmsg_level == SOL_IP && one->cmsg_type == IP_RECVERR) ||
                        (one->cmsg_level == SOL_IPV6 && one->cmsg_type == IPV6_RECVERR);
    if (!isOurs) continue;
    sock_extended_err found;
    std::memcpy(&found, CMSG_DATA(one), sizeof found);
    error = static_cast<int>(found.ee_errno);
  }
  const bool isV6 = peer.ss_family == AF_INET6;
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&peer);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&peer);
  Napi::Uint8Array address = Napi::Uint8Array::New(env, isV6 ? 16 : 4);
  std::memcpy(address.Data(), isV6 ? static_cast<const void*>(&v6->sin6_addr) : &v4->sin_addr, address.ByteLength());
  Napi::Object result = Napi::Object::New(env);
  result.Set("code", Napi::String::New(env, nameOf(error)));
  result.Set("address", address);
  result.Set("port", Napi::Number::New(env, ntohs(isV6 ? v6->sin6_port : v4->sin_port)));
  return result;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("openEcho", Napi::Function::New(env, openEcho, "openEcho"));
  exports.Set("openUdp", Napi::Function::New(env, openUdp, "openUdp"));
  exports.Set("nextError", Napi::Function::New(env, nextError, "nextError"));
  return exports;
}

}  // namespace

NODE_API_MODULE(spn_hub_native, Init)
