#include "packet-object.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <cstring>

#include "netlink.h"
#include "object-builder.h"

namespace spn {

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
