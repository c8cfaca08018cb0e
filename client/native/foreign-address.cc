#include "foreign-address.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "errno-error.h"

namespace spn {
namespace {

// IPV6_FREEBIND; older headers of the system do not have it.
constexpr int kIpv6FreeBind = 78;
constexpr size_t kIpv4HeaderBytes = 20;
constexpr size_t kIpv4DestinationAt = 16;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kIpv6DestinationAt = 24;

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t fill(Address& address, const uint8_t* bytes, bool isIpv4, uint16_t port) {
  std::memset(&address, 0, sizeof address);
  if (isIpv4) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    std::memcpy(&address.v4.sin_addr, bytes, sizeof address.v4.sin_addr);
    return sizeof address.v4;
  }
  address.v6.sin6_family = AF_INET6;
  address.v6.sin6_port = htons(port);
  std::memcpy(&address.v6.sin6_addr, bytes, sizeof address.v6.sin6_addr);
  return sizeof address.v6;
}

Napi::Value throwErrno(Napi::Env env, int error, const char* what) {
  errnoError(env, error, what).ThrowAsJavaScriptException();
  return env.Undefined();
}

// 0 or an errno; the socket is `fd`.
int configureAndBind(int fd, const Address& address, socklen_t length) {
  const int on = 1;
  const bool isIpv4 = address.any.sa_family == AF_INET;
  const int level = isIpv4 ? SOL_IP : SOL_IPV6;
  if (::setsockopt(fd, level, isIpv4 ? IP_FREEBIND : kIpv6FreeBind, &on, sizeof on) != 0) return errno;
  if (!isIpv4 && ::setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return errno;
  int type = 0;
  socklen_t size = sizeof type;
  ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  // As every listener of the system: a new one may follow at once. (Two UDP sockets could share a port by it.)
  if (type == SOCK_STREAM) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return ::bind(fd, &address.any, length) == 0 ? 0 : errno;
}

}  // namespace

Napi::Value sendPacket(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) return throwErrno(env, EINVAL, "no packet");
  const auto packet = info[0].As<Napi::Uint8Array>();
  const uint8_t* bytes = packet.Data();
  const size_t length = packet.ByteLength();
  const bool isIpv4 = length >= kIpv4HeaderBytes && bytes[0] >> 4 == 4;
  if (!isIpv4 && !(length >= kIpv6HeaderBytes && bytes[0] >> 4 == 6)) return throwErrno(env, EINVAL, "no IP packet");

  Address to;
  const size_t size = fill(to, bytes + (isIpv4 ? kIpv4DestinationAt : kIpv6DestinationAt), isIpv4, 0);
  const int fd = ::socket(isIpv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  if (fd < 0) return throwErrno(env, errno, "no raw socket");
  const ssize_t sent = ::sendto(fd, bytes, length, 0, &to.any, size);
  const int error = sent < 0 ? errno : 0;
  ::close(fd);
  return error == 0 ? env.Undefined() : throwErrno(env, error, "the packet could not be sent");
}

Napi::Value bindForeign(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[1].IsTypedArray()) return throwErrno(env, EINVAL, "no address");
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const bool isIpv4 = bytes.ByteLength() == sizeof(in_addr);
  if (!isIpv4 && bytes.ByteLength() != sizeof(in6_addr)) return throwErrno(env, EINVAL, "no address");
  Address address;
  const auto port = static_cast<uint16_t>(info[2].ToNumber().Uint32Value());
  const socklen_t size = fill(address, bytes.Data(), isIpv4, port);
  const int type = info[0].ToNumber().Int32Value() == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
  const int fd = ::socket(address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throwErrno(env, errno, "no socket");
  const int error = configureAndBind(fd, address, size);
  if (error == 0) return Napi::Number::New(env, fd);
  ::close(fd);
  return throwErrno(env, error, "the address could not be bound");
}

Napi::Value interfaceName(const Napi::CallbackInfo& info) {
  char name[IF_NAMESIZE];
  if (::if_indextoname(info[0].ToNumber().Uint32Value(), name) == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), name);
}

}  // namespace spn
