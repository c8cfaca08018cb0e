#include "packet-object.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <cstring>

#include "netlink.h"

namespace spn {
namespace {

// A thread may be ended from outside at any moment. From then on every call into JavaScript fails; the convenient
// wrappers would end the whole process for that, so here each result is looked at.
class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env) : env_(env) { check(napi_create_object(env, &object_)); }

  void set(const char* name, uint32_t number) {
    napi_value value = nullptr;
    check(napi_create_uint32(env_, number, &value));
    set(name, value);
  }

  // A number in network order, or undefined if there is none.
  void setOptional(const char* name, const uint8_t* number) {
    if (number != nullptr) return set(name, readU32(number));
    napi_value value = nullptr;
    check(napi_get_undefined(env_, &value));
    set(name, value);
  }

  void setBytes(const char* name, const uint8_t* bytes, size_t length) {
    void* copy = nullptr;
    napi_value buffer = nullptr;
    napi_value view = nullptr;
    check(napi_create_arraybuffer(env_, length, &copy, &buffer));
    if (!failed_ && length > 0) std::memcpy(copy, bytes, length);
    if (!failed_) check(napi_create_typedarray(env_, napi_uint8_array, length, buffer, 0, &view));
    set(name, view);
  }

  napi_value result() const { return failed_ ? nullptr : object_; }

  static uint32_t readU32(const uint8_t* bytes) {
    uint32_t value;
    std::memcpy(&value, bytes, sizeof value);
    return ntohl(value);
  }

 private:
  void set(const char* name, napi_value value) {
    if (!failed_) check(napi_set_named_property(env_, object_, name, value));
  }

  void check(napi_status status) { failed_ = failed_ || status != napi_ok; }

  napi_env env_;
  napi_value object_ = nullptr;
  bool failed_ = false;
};

}  // namespace

napi_value packetObject(napi_env env, const nlmsghdr* message) {
  const NetlinkAttributes attributes = attributesOf(message);
  const uint8_t* headerBytes = attributes.find(NFQA_PACKET_HDR, sizeof(nfqnl_msg_packet_hdr));
  if (headerBytes == nullptr) return nullptr;
  nfqnl_msg_packet_hdr header;
  std::memcpy(&header, headerBytes, sizeof header);
  const uint8_t* mark = attributes.find(NFQA_MARK, sizeof(uint32_t));

  ObjectBuilder packet(env);
  packet.set("id", ntohl(header.packet_id));
  packet.set("mark", mark == nullptr ? 0 : ObjectBuilder::readU32(mark));
  packet.setOptional("uid", attributes.find(NFQA_UID, sizeof(uint32_t)));
  packet.setOptional("gid", attributes.find(NFQA_GID, sizeof(uint32_t)));
  packet.set("hook", header.hook);
  packet.set("etherType", ntohs(header.hw_protocol));
  packet.setOptional("inInterface", attributes.find(NFQA_IFINDEX_INDEV, sizeof(uint32_t)));
  packet.setOptional("outInterface", attributes.find(NFQA_IFINDEX_OUTDEV, sizeof(uint32_t)));
  packet.setBytes("payload", attributes.find(NFQA_PAYLOAD, 0), attributes.lengthOf(NFQA_PAYLOAD));
  return packet.result();
}

}  // namespace spn
