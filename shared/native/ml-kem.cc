// ML-KEM-768 (FIPS 203).
//
//   new MlKemPublicKey(bytes)      1184 bytes; throws if they are no key
//   encapsulate(secret, into)      32 bytes of secret, 1088 of ciphertext
//   new MlKemPrivateKey(seed)      64 bytes
//   publicBytes(into)              1184 bytes
//   decapsulate(ciphertext, into)  32 bytes; a secret that nobody else has if the ciphertext was changed
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "binding.h"

namespace {

constexpr char kName[] = "ML-KEM-768";
constexpr size_t kPublicBytes = 1184;
constexpr size_t kCiphertextBytes = 1088;
constexpr size_t kSeedBytes = 64;
constexpr size_t kSecretBytes = 32;

struct KemKey {
  Key key;
  // Ready to encapsulate or decapsulate, any number of times.
  KeyContext context;
};

napi_value constructPublic(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes bytes[1];
  if (!readBytes(env, info, &self, {kPublicBytes}, bytes)) return nullptr;
  auto object = std::make_unique<KemKey>();
  object->key.reset(EVP_PKEY_new_raw_public_key_ex(nullptr, kName, nullptr, bytes[0].data, kPublicBytes));
  if (object->key == nullptr) return fail(env, "these bytes are no key");
  object->context.reset(EVP_PKEY_CTX_new(object->key.get(), nullptr));
  if (object->context == nullptr || EVP_PKEY_encapsulate_init(object->context.get(), nullptr) != 1) {
    return fail(env, "the key could not be used");
  }
  return wrap(env, self, std::move(object));
}

napi_value constructPrivate(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes seed[1];
  if (!readBytes(env, info, &self, {kSeedBytes}, seed)) return nullptr;
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, seed[0].data, kSeedBytes),
                             OSSL_PARAM_construct_end()};
  const KeyContext maker(EVP_PKEY_CTX_new_from_name(nullptr, kName, nullptr));
  EVP_PKEY* key = nullptr;
  const bool made = maker != nullptr && EVP_PKEY_fromdata_init(maker.get()) == 1 &&
                    EVP_PKEY_fromdata(maker.get(), &key, EVP_PKEY_KEYPAIR, parameters) == 1;
  auto object = std::make_unique<KemKey>();
  object->key.reset(key);
  if (!made) return fail(env, "the key could not be made");
  object->context.reset(EVP_PKEY_CTX_new(key, nullptr));
  if (object->context == nullptr || EVP_PKEY_decapsulate_init(object->context.get(), nullptr) != 1) {
    return fail(env, "the key could not be used");
  }
  return wrap(env, self, std::move(object));
}

napi_value encapsulate(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes into[2];
  if (!readBytes(env, info, &self, {kSecretBytes, kCiphertextBytes}, into)) return nullptr;
  KemKey* object = unwrap<KemKey>(env, self);
  if (object == nullptr) return nullptr;
  size_t secretBytes = kSecretBytes;
  size_t ciphertextBytes = kCiphertextBytes;
  const int done = EVP_PKEY_encapsulate(object->context.get(), into[1].data, &ciphertextBytes, into[0].data, &secretBytes);
  return done == 1 ? nullptr : fail(env, "encapsulation failed");
}

napi_value decapsulate(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes bytes[2];
  if (!readBytes(env, info, &self, {kCiphertextBytes, kSecretBytes}, bytes)) return nullptr;
  KemKey* object = unwrap<KemKey>(env, self);
  if (object == nullptr) return nullptr;
  size_t secretBytes = kSecretBytes;
  const int done =
      EVP_PKEY_decapsulate(object->context.get(), bytes[1].data, &secretBytes, bytes[0].data, kCiphertextBytes);
  return done == 1 ? nullptr : fail(env, "decapsulation failed");
}

napi_value publicBytes(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes into[1];
  if (!readBytes(env, info, &self, {kPublicBytes}, into)) return nullptr;
  KemKey* object = unwrap<KemKey>(env, self);
  if (object == nullptr) return nullptr;
  size_t length = kPublicBytes;
  return EVP_PKEY_get_raw_public_key(object->key.get(), into[0].data, &length) == 1
             ? nullptr
             : fail(env, "the key could not be read");
}

}  // namespace

void defineMlKem(napi_env env, napi_value exports) {
  defineClass(env, exports, "MlKemPublicKey", constructPublic, {method("encapsulate", encapsulate)});
  defineClass(env, exports, "MlKemPrivateKey", constructPrivate,
              {method("publicBytes", publicBytes), method("decapsulate", decapsulate)});
}
