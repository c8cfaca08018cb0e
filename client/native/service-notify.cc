#include "service-notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "errno-error.h"

namespace spn {
namespace {

// 0 or an errno. A name that begins with "@" is no file but an abstract name.
int sendDatagram(const std::string& to, const std::string& message) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (to.empty() || to.size() >= sizeof address.sun_path) return EINVAL;
  std::memcpy(address.sun_path, to.data(), to.size());
  if (to[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + to.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const ssize_t sent = ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&address), length);
  const int error = sent < 0 ? errno : 0;
  ::close(fd);
  return error;
}

}  // namespace

Napi::Value notifyService(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsString()) {
    Napi::TypeError::New(env, "notifyService needs a socket and a message").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const int error = sendDatagram(info[0].As<Napi::String>(), info[1].As<Napi::String>());
  if (error != 0) errnoError(env, error, "the manager of services was not told").ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace spn
