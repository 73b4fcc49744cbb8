// A thread that may run the analyser of SQL: the parser is recursive, and whoever runs it has the
// stack that its worst text needs.

#ifndef PGSIDECAR_NET_THREAD_H_
#define PGSIDECAR_NET_THREAD_H_

#include <pthread.h>

#include <functional>

#include "base/result.h"

namespace pgsidecar::net {

class Thread {
 public:
  Thread() = default;
  ~Thread() { Join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // REQUIRES: not started yet.
  Result<bool> Start(std::function<void()> task);
  // Waits for the end of the task, if it has been started.
  void Join();

 private:
  static void* RunTask(void* self);

  std::function<void()> task_;
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_THREAD_H_
