// Locking what is held for a microsecond at most: who finds it taken asks a few times more before
// it sleeps, which would cost both of them more.

#ifndef PGSIDECAR_BASE_LOCK_SOON_H_
#define PGSIDECAR_BASE_LOCK_SOON_H_

#include <mutex>

namespace pgsidecar {

inline void LockSoon(std::mutex& mutex) {
  constexpr int kAttempts = 100;
  for (int i = 0; i < kAttempts; ++i) {
    if (mutex.try_lock()) return;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  mutex.lock();
}

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_LOCK_SOON_H_
