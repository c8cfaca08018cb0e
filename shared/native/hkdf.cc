// HKDF with SHA-256 (RFC 5869).
//
//   hkdf(secret, salt, info, into)   fills `into`, at most 255 * 32 bytes
#define OPENSSL_SUPPRESS_DEPRECATED  // SHA256_*: the newer calls look their algorithm up by name each time
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "binding.h"

namespace {

constexpr size_t kHashBytes = SHA256_DIGEST_LENGTH;
constexpr size_t kBlockBytes = SHA256_CBLOCK;
constexpr size_t kMaxBytes = 255 * kHashBytes;

// HMAC-SHA-256 (RFC 2104) under one key, for several messages.
class Hmac {
 public:
  explicit Hmac(Bytes key) {
    uint8_t block[kBlockBytes] = {0};
    if (key.length > kBlockBytes) {
      SHA256(key.data, key.length, block);
    } else if (key.length > 0) {
      std::memcpy(block, key.data, key.length);
    }
    start(inner_, block, 0x36);
    start(outer_, block, 0x5c);
    OPENSSL_cleanse(block, sizeof block);
  }

  ~Hmac() {
    OPENSSL_cleanse(&inner_, sizeof inner_);
    OPENSSL_cleanse(&outer_, sizeof outer_);
  }

  void digest(std::initializer_list<Bytes> parts, uint8_t (&into)[kHashBytes]) const {
    SHA256_CTX context = inner_;
    for (const Bytes& part : parts) SHA256_Update(&context, part.data, part.length);
    SHA256_Final(into, &context);
    context = outer_;
    SHA256_Update(&context, into, kHashBytes);
    SHA256_Final(into, &context);
    OPENSSL_cleanse(&context, sizeof context);
  }

 private:
  static void start(SHA256_CTX& context, const uint8_t (&block)[kBlockBytes], uint8_t pad) {
    uint8_t padded[kBlockBytes];
    for (size_t i = 0; i < kBlockBytes; i++) padded[i] = block[i] ^ pad;
    SHA256_Init(&context);
    SHA256_Update(&context, padded, sizeof padded);
    OPENSSL_cleanse(padded, sizeof padded);
  }

  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

napi_value hkdf(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  Bytes secret, salt, context, into;
  if (count != 4 || !bytesOf(env, arguments[0], secret) || !bytesOf(env, arguments[1], salt) ||
      !bytesOf(env, arguments[2], context) || !bytesOf(env, arguments[3], into) || into.length > kMaxBytes) {
    return fail(env, "expected (secret, salt, info, into), at most 8160 bytes");
  }
  uint8_t key[kHashBytes];
  Hmac(salt).digest({secret}, key);
  const Hmac expand(Bytes{key, kHashBytes});
  uint8_t block[kHashBytes];
  uint8_t number = 1;
  for (size_t at = 0; at < into.length; at += kHashBytes, number++) {
    const Bytes before{block, at == 0 ? 0 : kHashBytes};
    expand.digest({before, context, Bytes{&number, 1}}, block);
    std::memcpy(into.data + at, block, std::min(kHashBytes, into.length - at));
  }
  OPENSSL_cleanse(key, sizeof key);
  OPENSSL_cleanse(block, sizeof block);
  return nullptr;
}

}  // namespace

void defineHkdf(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "hkdf", NAPI_AUTO_LENGTH, hkdf, nullptr, &function);
  napi_set_named_property(env, exports, "hkdf", function);
}
