// AES-256-GCM from one buffer into another. A key keeps its cipher, and nothing is allocated per cell.
//
//   new AesGcm(key, nonce, aad)            the caller changes nonce (12 bytes) and aad in place before each call
//   seal(from, at, length, into, to)       length bytes become length + 16
//   open(from, at, length, into, to)       length bytes (tag included) become length - 16; false and zeros if not authentic
//   close()
//
// `from` and `into` may be the same memory at the same place.
#include <openssl/crypto.h>

#include <cstring>

#include "binding.h"

namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kMaxAadBytes = 64;

struct CipherDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherDeleter>;

// One key in one direction: it only ever seals, or only ever opens.
struct AesGcm {
  uint8_t key[kKeyBytes];
  const uint8_t* nonce = nullptr;
  const uint8_t* aad = nullptr;
  size_t aadBytes = 0;
  // Keep the two arrays alive.
  napi_ref nonceRef = nullptr;
  napi_ref aadRef = nullptr;
  Cipher cipher;
  bool sealing = false;
  bool closed = false;

  ~AesGcm() { OPENSSL_cleanse(key, kKeyBytes); }
};

// The cipher with this key, set up once; false if OpenSSL will not.
bool prepare(AesGcm& gcm, bool sealing) {
  if (gcm.cipher != nullptr && gcm.sealing == sealing) return true;
  gcm.cipher.reset(EVP_CIPHER_CTX_new());
  gcm.sealing = sealing;
  return gcm.cipher != nullptr &&
         EVP_CipherInit_ex(gcm.cipher.get(), EVP_aes_256_gcm(), nullptr, gcm.key, nullptr, sealing ? 1 : 0) == 1;
}

// Where a call reads and writes.
struct Span {
  const uint8_t* from;
  size_t length;
  uint8_t* into;
};

// Reads the five arguments; false (with an exception) if any of them is wrong or reaches beyond its array.
bool spanOf(napi_env env, napi_callback_info info, AesGcm** gcm, bool sealing, Span& span) {
  size_t count = 5;
  napi_value arguments[5];
  napi_value self;
  napi_get_cb_info(env, info, &count, arguments, &self, nullptr);
  if (napi_unwrap(env, self, reinterpret_cast<void**>(gcm)) != napi_ok) return fail(env, "not a key"), false;
  if ((*gcm)->closed) return fail(env, "this key was closed"), false;
  Bytes from, into;
  uint32_t at = 0, length = 0, to = 0;
  const bool read = count == 5 && bytesOf(env, arguments[0], from) && bytesOf(env, arguments[3], into) &&
                    napi_get_value_uint32(env, arguments[1], &at) == napi_ok &&
                    napi_get_value_uint32(env, arguments[2], &length) == napi_ok &&
                    napi_get_value_uint32(env, arguments[4], &to) == napi_ok;
  if (!read) return fail(env, "expected (bytes, offset, length, bytes, offset)"), false;
  const uint64_t written = sealing ? uint64_t{length} + kTagBytes : length < kTagBytes ? 0 : length - kTagBytes;
  if (uint64_t{at} + length > from.length || uint64_t{to} + written > into.length) {
    return fail(env, "beyond the end of a buffer"), false;
  }
  span = {from.data + at, length, into.data + to};
  return true;
}

napi_value seal(napi_env env, napi_callback_info info) {
  AesGcm* gcm = nullptr;
  Span span;
  if (!spanOf(env, info, &gcm, true, span)) return nullptr;
  int out = 0;
  EVP_CIPHER_CTX* cipher = prepare(*gcm, true) ? gcm->cipher.get() : nullptr;
  const bool done = cipher != nullptr && EVP_EncryptInit_ex(cipher, nullptr, nullptr, nullptr, gcm->nonce) == 1 &&
                    EVP_EncryptUpdate(cipher, nullptr, &out, gcm->aad, static_cast<int>(gcm->aadBytes)) == 1 &&
                    EVP_EncryptUpdate(cipher, span.into, &out, span.from, static_cast<int>(span.length)) == 1 &&
                    EVP_EncryptFinal_ex(cipher, span.into + out, &out) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTagBytes, span.into + span.length) == 1;
  return done ? nullptr : fail(env, "sealing failed");
}

napi_value open(napi_env env, napi_callback_info info) {
  AesGcm* gcm = nullptr;
  Span span;
  if (!spanOf(env, info, &gcm, false, span)) return nullptr;
  if (span.length < kTagBytes) return boolean(env, false);
  const size_t length = span.length - kTagBytes;
  uint8_t tag[kTagBytes];
  std::memcpy(tag, span.from + length, kTagBytes);
  int out = 0;
  EVP_CIPHER_CTX* cipher = prepare(*gcm, false) ? gcm->cipher.get() : nullptr;
  const bool ready = cipher != nullptr && EVP_DecryptInit_ex(cipher, nullptr, nullptr, nullptr, gcm->nonce) == 1 &&
                     EVP_DecryptUpdate(cipher, nullptr, &out, gcm->aad, static_cast<int>(gcm->aadBytes)) == 1 &&
                     EVP_DecryptUpdate(cipher, span.into, &out, span.from, static_cast<int>(length)) == 1 &&
                     EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) == 1;
  if (!ready) return fail(env, "opening failed");
  const bool authentic = EVP_DecryptFinal_ex(cipher, span.into + out, &out) == 1;
  if (!authentic) OPENSSL_cleanse(span.into, length);
  return boolean(env, authentic);
}

void release(napi_env env, AesGcm& gcm) {
  if (gcm.closed) return;
  gcm.closed = true;
  gcm.cipher.reset();
  OPENSSL_cleanse(gcm.key, kKeyBytes);
  if (gcm.nonceRef != nullptr) napi_delete_reference(env, gcm.nonceRef);
  if (gcm.aadRef != nullptr) napi_delete_reference(env, gcm.aadRef);
  gcm.nonceRef = gcm.aadRef = nullptr;
}

napi_value close(napi_env env, napi_callback_info info) {
  napi_value self;
  napi_get_cb_info(env, info, nullptr, nullptr, &self, nullptr);
  AesGcm* gcm = nullptr;
  if (napi_unwrap(env, self, reinterpret_cast<void**>(&gcm)) != napi_ok) return fail(env, "not a key");
  release(env, *gcm);
  return nullptr;
}

void collect(napi_env env, void* data, void*) {
  auto* gcm = static_cast<AesGcm*>(data);
  release(env, *gcm);
  delete gcm;
}

napi_value construct(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  napi_value self;
  napi_get_cb_info(env, info, &count, arguments, &self, nullptr);
  Bytes key, nonce, aad;
  if (count != 3 || !bytesOf(env, arguments[0], key) || !bytesOf(env, arguments[1], nonce) ||
      !bytesOf(env, arguments[2], aad)) {
    return fail(env, "expected (key, nonce, aad)");
  }
  if (key.length != kKeyBytes || nonce.length != kNonceBytes || aad.length > kMaxAadBytes) {
    return fail(env, "expected a key of 32, a nonce of 12 and at most 64 bytes of associated data");
  }
  auto gcm = std::make_unique<AesGcm>();
  std::memcpy(gcm->key, key.data, kKeyBytes);
  gcm->nonce = nonce.data;
  gcm->aad = aad.data;
  gcm->aadBytes = aad.length;
  napi_create_reference(env, arguments[1], 1, &gcm->nonceRef);
  napi_create_reference(env, arguments[2], 1, &gcm->aadRef);
  if (napi_wrap(env, self, gcm.get(), collect, nullptr, nullptr) != napi_ok) return fail(env, "could not be made");
  gcm.release();
  return self;
}

}  // namespace

void defineAesGcm(napi_env env, napi_value exports) {
  defineClass(env, exports, "AesGcm", construct, {method("seal", seal), method("open", open), method("close", close)});
}
