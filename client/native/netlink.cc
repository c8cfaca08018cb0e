#include "netlink.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace spn {

void NetlinkWriter::begin(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
  nfgenmsg generic = {};
  generic.nfgen_family = family;
  generic.version = NFNETLINK_V0;
  generic.res_id = htons(resource);
  beginWith(type, flags, &generic, sizeof generic);
}

void NetlinkWriter::beginWith(uint16_t type, uint16_t flags, const void* body, size_t length) {
  start_ = out_.size();
  nlmsghdr header = {};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  append(&header, sizeof header);
  append(body, length);
}

void NetlinkWriter::add(uint16_t attribute, const void* data, size_t length) {
  nlattr header = {};
  header.nla_len = static_cast<uint16_t>(NLA_HDRLEN + length);
  header.nla_type = attribute;
  append(&header, sizeof header);
  append(data, length);
}

void NetlinkWriter::end() {
  const auto length = static_cast<uint32_t>(out_.size() - start_);
  std::memcpy(out_.data() + start_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
}

size_t NetlinkWriter::openNest(uint16_t attribute) {
  const size_t start = out_.size();
  add(attribute | NLA_F_NESTED, nullptr, 0);
  return start;
}

void NetlinkWriter::closeNest(size_t start) {
  const auto length = static_cast<uint16_t>(out_.size() - start);
  std::memcpy(out_.data() + start + offsetof(nlattr, nla_len), &length, sizeof length);
}

// Everything in a netlink message begins at a multiple of four bytes.
void NetlinkWriter::append(const void* data, size_t length) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (length > 0) out_.insert(out_.end(), bytes, bytes + length);
  out_.resize(NLMSG_ALIGN(out_.size()));
}

NetlinkAttributes::NetlinkAttributes(const uint8_t* data, size_t length) {
  while (length >= NLA_HDRLEN) {
    nlattr header;
    std::memcpy(&header, data, sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > length) return;
    const uint16_t type = header.nla_type & NLA_TYPE_MASK;
    if (type < kTypes) {
      data_[type] = data + NLA_HDRLEN;
      length_[type] = static_cast<uint16_t>(header.nla_len - NLA_HDRLEN);
    }
    const size_t step = NLA_ALIGN(header.nla_len);
    if (step >= length) return;
    data += step;
    length -= step;
  }
}

const uint8_t* NetlinkAttributes::find(uint16_t type, size_t atLeast) const {
  return length_[type] >= atLeast ? data_[type] : nullptr;
}

size_t NetlinkAttributes::lengthOf(uint16_t type) const { return length_[type]; }

NetlinkAttributes NetlinkAttributes::nest(uint16_t type) const {
  return NetlinkAttributes(data_[type], length_[type]);
}

NetlinkAttributes attributesOf(const nlmsghdr* message) {
  constexpr size_t kHeader = NLMSG_SPACE(sizeof(nfgenmsg));
  if (message->nlmsg_len < kHeader) return NetlinkAttributes(nullptr, 0);
  return NetlinkAttributes(reinterpret_cast<const uint8_t*>(message) + kHeader, message->nlmsg_len - kHeader);
}

int errorOf(const nlmsghdr* message) {
  if (message->nlmsg_type != NLMSG_ERROR) return -1;
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return EBADMSG;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
}

int NetlinkSocket::open(int protocol, uint32_t groups) {
  fd_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd_ < 0) return -errno;
  sockaddr_nl self = {};
  self.nl_family = AF_NETLINK;
  self.nl_groups = groups;
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&self), sizeof self) == 0) return 0;
  const int error = -errno;
  close();
  return error;
}

void NetlinkSocket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void NetlinkSocket::setReceiveBuffer(int bytes) {
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

int NetlinkSocket::send(const std::vector<uint8_t>& messages) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent = ::sendto(fd_, messages.data(), messages.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                                  sizeof kernel);
    if (sent >= 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

int NetlinkSocket::receive(uint8_t* into, size_t size) {
  for (;;) {
    sockaddr_nl from = {};
    socklen_t fromLength = sizeof from;
    const ssize_t length =
        ::recvfrom(fd_, into, size, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &fromLength);
    if (length >= 0 && from.nl_pid != 0) continue;
    if (length >= 0) return static_cast<int>(length);
    if (errno != EINTR) return -errno;
  }
}

int NetlinkSocket::wait(int timeoutMs) {
  pollfd watched = {fd_, POLLIN, 0};
  for (;;) {
    const int ready = ::poll(&watched, 1, timeoutMs);
    if (ready > 0) return 0;
    if (ready == 0) return -ETIMEDOUT;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace spn
