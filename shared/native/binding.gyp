{
  'targets': [
    {
      'target_name': 'spn_crypto',
      'sources': ['aead.cc'],
      'defines': ['NAPI_VERSION=8'],
      'cflags': ['-Wall', '-Wextra', '-O2', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++20'],
      'cflags_cc': ['-std=c++17'],
    },
  ],
}
