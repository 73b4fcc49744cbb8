#include "net/thread.h"

#include <cassert>
#include <cstddef>
#include <utility>

#include "sql/analyzer.h"

namespace pgsidecar::net {
namespace {

// Beyond what the analyser of SQL needs.
constexpr size_t kPlainStackBytes = size_t{8} << 20;

}  // namespace

void* Thread::RunTask(void* self) {
  static_cast<Thread*>(self)->task_();
  return nullptr;
}

Result<bool> Thread::Start(std::function<void()> task) {
  assert(!running_);
  task_ = std::move(task);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, sql::kAnalyzerStackBytes + kPlainStackBytes);
  const int status = pthread_create(&thread_, &attributes, RunTask, this);
  pthread_attr_destroy(&attributes);
  if (status != 0) return Error{"53000", "cannot start a thread", "", ""};
  running_ = true;
  return true;
}

void Thread::Join() {
  if (!running_) return;
  pthread_join(thread_, nullptr);
  running_ = false;
}

}  // namespace pgsidecar::net
