#include "serving/side_pool.h"

#include <utility>

namespace treble::server {

SidePool::SidePool(int threads, std::size_t max_waiting) : max_waiting_(max_waiting) {
  for (int thread = 0; thread < threads; ++thread) threads_.emplace_back([this] { run(); });
}

SidePool::~SidePool() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool SidePool::submit(std::function<void()> work) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || waiting_.size() >= max_waiting_) return false;
    waiting_.push_back(std::move(work));
  }
  changed_.notify_one();
  return true;
}

void SidePool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace treble::server
