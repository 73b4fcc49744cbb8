#include "net/janitor.h"

#include "net/worker.h"

namespace pgsidecar::net {

Result<bool> Janitor::Start() {
  return thread_.Start([this] { Run(); });
}

void Janitor::Stop() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  end_.notify_one();
  thread_.Join();
}

void Janitor::Run() {
  std::unique_lock lock(mutex_);
  while (!end_.wait_for(lock, sweeper_->Pause(interval_), [this] { return ended_; })) {
    lock.unlock();
    sweeper_->Sweep(Worker::Now(), interval_);
    lock.lock();
  }
}

}  // namespace pgsidecar::net
