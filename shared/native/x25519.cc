// X25519 (RFC 7748).
//
//   new X25519Key()                a new key;  new X25519Key(private)  from its 32 bytes
//   publicBytes(into)              32 bytes
//   privateBytes(into)             32 bytes
//   agree(theirs, into)            32 bytes; false for a point of low order, which would give zeros
//   close()                        frees the key before the object is collected
#include "binding.h"

namespace {

constexpr size_t kBytes = 32;

struct X25519Key {
  Key key;
};

napi_value construct(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_value self;
  napi_get_cb_info(env, info, &count, &argument, &self, nullptr);
  auto object = std::make_unique<X25519Key>();
  if (count == 0) {
    object->key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  } else {
    Bytes bytes;
    if (!bytesOf(env, argument, bytes) || bytes.length != kBytes) return fail(env, "expected 32 bytes");
    object->key.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, bytes.data, kBytes));
  }
  if (object->key == nullptr) return fail(env, "the key could not be made");
  return wrap(env, self, std::move(object));
}

// The key of `self`, or nothing (with an exception) if it was closed.
EVP_PKEY* keyOf(napi_env env, napi_value self) {
  X25519Key* object = unwrap<X25519Key>(env, self);
  if (object == nullptr) return nullptr;
  if (object->key == nullptr) return fail(env, "this key was closed"), nullptr;
  return object->key.get();
}

template <int (*read)(const EVP_PKEY*, unsigned char*, size_t*)>
napi_value exportBytes(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes into[1];
  if (!readBytes(env, info, &self, {kBytes}, into)) return nullptr;
  EVP_PKEY* key = keyOf(env, self);
  if (key == nullptr) return nullptr;
  size_t length = kBytes;
  return read(key, into[0].data, &length) == 1 ? nullptr : fail(env, "the key could not be read");
}

napi_value agree(napi_env env, napi_callback_info info) {
  napi_value self;
  Bytes bytes[2];
  if (!readBytes(env, info, &self, {kBytes, kBytes}, bytes)) return nullptr;
  EVP_PKEY* key = keyOf(env, self);
  if (key == nullptr) return nullptr;
  const Key theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, bytes[0].data, kBytes));
  const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  size_t length = kBytes;
  const bool agreed = theirs != nullptr && context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
                      EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
                      EVP_PKEY_derive(context.get(), bytes[1].data, &length) == 1;
  return boolean(env, agreed);
}

napi_value close(napi_env env, napi_callback_info info) {
  napi_value self;
  napi_get_cb_info(env, info, nullptr, nullptr, &self, nullptr);
  X25519Key* object = unwrap<X25519Key>(env, self);
  if (object != nullptr) object->key.reset();
  return nullptr;
}

}  // namespace

void defineX25519(napi_env env, napi_value exports) {
  defineClass(env, exports, "X25519Key", construct,
              {method("publicBytes", exportBytes<EVP_PKEY_get_raw_public_key>),
               method("privateBytes", exportBytes<EVP_PKEY_get_raw_private_key>), method("agree", agree),
               method("close", close)});
}
