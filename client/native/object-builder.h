// JavaScript objects made in C++, also while their thread is being ended.
#pragma once

#include <arpa/inet.h>
#include <node_api.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace spn {

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

  void setFlag(const char* name, bool flag) {
    napi_value value = nullptr;
    check(napi_get_boolean(env_, flag, &value));
    set(name, value);
  }

  // Exact up to 2^53.
  void setLarge(const char* name, uint64_t number) {
    napi_value value = nullptr;
    check(napi_create_double(env_, static_cast<double>(number), &value));
    set(name, value);
  }

  void setBigInt(const char* name, uint64_t number) {
    napi_value value = nullptr;
    check(napi_create_bigint_uint64(env_, number, &value));
    set(name, value);
  }

  // UTF-8; what is none is replaced by U+FFFD.
  void set(const char* name, const std::string& text) {
    napi_value value = nullptr;
    check(napi_create_string_utf8(env_, text.data(), text.size(), &value));
    set(name, value);
  }

  void setNested(const char* name, const ObjectBuilder& nested) {
    failed_ = failed_ || nested.failed_;
    set(name, nested.object_);
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

  void set(const char* name, napi_value value) {
    if (!failed_) check(napi_set_named_property(env_, object_, name, value));
  }

 private:
  void check(napi_status status) { failed_ = failed_ || status != napi_ok; }

  napi_env env_;
  napi_value object_ = nullptr;
  bool failed_ = false;
};

}  // namespace spn
