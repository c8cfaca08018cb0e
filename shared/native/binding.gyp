{
  'targets': [
    {
      'target_name': 'spn_crypto',
      'sources': ['addon.cc', 'aes-gcm.cc', 'hkdf.cc', 'ml-kem.cc', 'x25519.cc'],
      'defines': ['NAPI_VERSION=8'],
      'cflags': ['-Wall', '-Wextra', '-O2', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++20'],
      'cflags_cc': ['-std=c++17'],
    },
  ],
}
