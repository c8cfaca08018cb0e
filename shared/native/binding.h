// What the files of this addon share: bytes of arguments, classes that own C++ objects, OpenSSL handles.
#pragma once

#include <node_api.h>
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// A Uint8Array (so also a Buffer) and nothing else.
inline bool bytesOf(napi_env env, napi_value value, Bytes& bytes) {
  bool isTyped = false;
  if (napi_is_typedarray(env, value, &isTyped) != napi_ok || !isTyped) return false;
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &bytes.length, &data, nullptr, nullptr) != napi_ok) return false;
  bytes.data = static_cast<uint8_t*>(data);
  return type == napi_uint8_array;
}

inline napi_value fail(napi_env env, const char* what) {
  napi_throw_range_error(env, nullptr, what);
  return nullptr;
}

inline napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

// The arguments of one call, all of them arrays of bytes of these lengths; false (with an exception) otherwise.
template <size_t N>
bool readBytes(napi_env env, napi_callback_info info, napi_value* self, const size_t (&lengths)[N], Bytes (&out)[N]) {
  napi_value arguments[N];
  size_t count = N;
  napi_get_cb_info(env, info, &count, arguments, self, nullptr);
  for (size_t i = 0; i < N; i++) {
    if (i >= count || !bytesOf(env, arguments[i], out[i]) || out[i].length != lengths[i]) {
      return fail(env, "expected arrays of bytes of the right lengths"), false;
    }
  }
  return true;
}

// The C++ object of `self`. Node itself refuses a method that is called on an object of another class.
template <typename T>
T* unwrap(napi_env env, napi_value self) {
  T* object = nullptr;
  if (napi_unwrap(env, self, reinterpret_cast<void**>(&object)) != napi_ok) return fail(env, "not a key"), nullptr;
  return object;
}

template <typename T>
napi_value wrap(napi_env env, napi_value self, std::unique_ptr<T> object) {
  const auto collect = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_wrap(env, self, object.get(), collect, nullptr, nullptr) != napi_ok) return fail(env, "could not be made");
  object.release();
  return self;
}

template <size_t N>
void defineClass(napi_env env, napi_value exports, const char* name, napi_callback construct,
                 const napi_property_descriptor (&methods)[N]) {
  napi_value type;
  napi_define_class(env, name, NAPI_AUTO_LENGTH, construct, nullptr, N, methods, &type);
  napi_set_named_property(env, exports, name, type);
}

inline napi_property_descriptor method(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_default, nullptr};
}

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct KeyContextDeleter {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, KeyContextDeleter>;

void defineAesGcm(napi_env env, napi_value exports);
void defineX25519(napi_env env, napi_value exports);
void defineMlKem(napi_env env, napi_value exports);
void defineHkdf(napi_env env, napi_value exports);
