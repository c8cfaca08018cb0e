// Netlink messages: how they are written, read and carried. Knows nothing of JavaScript.
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spn {

// Appends messages to a buffer: begin, add attributes, end, and again. Several messages may share one buffer.
class NetlinkWriter {
 public:
  explicit NetlinkWriter(std::vector<uint8_t>& out) : out_(out) {}

  // `type` holds subsystem << 8 | message; `resource` is the queue number, or 0.
  void begin(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource);
  // Of other parts of the kernel than netfilter, whose messages begin with a structure of their own.
  void beginWith(uint16_t type, uint16_t flags, const void* body, size_t length);
  void add(uint16_t attribute, const void* data, size_t length);
  void end();

  // Opens an attribute that holds attributes; hand the result to closeNest.
  size_t openNest(uint16_t attribute);
  void closeNest(size_t start);

 private:
  void append(const void* data, size_t length);

  std::vector<uint8_t>& out_;
  size_t start_ = 0;
};

// The attributes of one message or nest, found by type. Borrows the bytes that it was made from.
class NetlinkAttributes {
 public:
  NetlinkAttributes(const uint8_t* data, size_t length);

  // The payload, if the attribute is there with at least `atLeast` bytes; otherwise null.
  const uint8_t* find(uint16_t type, size_t atLeast) const;
  size_t lengthOf(uint16_t type) const;
  NetlinkAttributes nest(uint16_t type) const;

 private:
  static constexpr uint16_t kTypes = 32;
  const uint8_t* data_[kTypes] = {};
  uint16_t length_[kTypes] = {};
};

// The attributes behind the nfgenmsg of a netfilter message.
NetlinkAttributes attributesOf(const nlmsghdr* message);

// The messages in what one receive brought, one by one. Malformed rest ends the walk.
template <typename Visit>
void forEachMessage(const uint8_t* data, size_t length, Visit visit) {
  // Signed: the last message may be followed by less padding than NLMSG_NEXT subtracts.
  auto rest = static_cast<int>(length);
  for (auto* message = reinterpret_cast<const nlmsghdr*>(data); NLMSG_OK(message, rest);
       message = NLMSG_NEXT(message, rest)) {
    visit(message);
  }
}

// The errno (0 for success) in an NLMSG_ERROR message, or -1 if this is another message.
int errorOf(const nlmsghdr* message);

// A socket to one part of the kernel. Results are 0 or more, or a negative errno.
class NetlinkSocket {
 public:
  NetlinkSocket() = default;
  ~NetlinkSocket() { close(); }
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  int open(int protocol = NETLINK_NETFILTER, uint32_t groups = 0);
  void close();
  int fd() const { return fd_; }

  // Asks for this many bytes of receive buffer: beyond the system's limit with CAP_NET_ADMIN, otherwise up to it.
  void setReceiveBuffer(int bytes);

  int send(const std::vector<uint8_t>& messages);
  // Never waits: -EAGAIN if there is nothing. Bytes from anybody but the kernel are skipped.
  // -ENOBUFS says that the kernel had to throw messages away, and that reading may go on.
  int receive(uint8_t* into, size_t size);
  // Waits until there is something to read; -ETIMEDOUT if that takes longer.
  int wait(int timeoutMs);

 private:
  int fd_ = -1;
};

}  // namespace spn
