// What an administrator has said of databases: whom to hold back (PAUSE, KILL) and whom to turn
// away (DISABLE). An empty name means every database.

#ifndef PGSIDECAR_PROXY_ORDERS_H_
#define PGSIDECAR_PROXY_ORDERS_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace pgsidecar::proxy {

class Orders {
 public:
  void Pause(std::string_view database) { Add(database, &all_paused_, &paused_); }
  // Resuming all also resumes those that were paused one by one. Returns whether anything was.
  bool Resume(std::string_view database) { return Remove(database, &all_paused_, &paused_); }
  bool paused(std::string_view database) const { return all_paused_ || paused_.contains(database); }

  void Disable(std::string_view database) { Add(database, &all_disabled_, &disabled_); }
  bool Enable(std::string_view database) { return Remove(database, &all_disabled_, &disabled_); }
  bool disabled(std::string_view database) const {
    return all_disabled_ || disabled_.contains(database);
  }

 private:
  using Names = std::set<std::string, std::less<>>;

  static void Add(std::string_view name, bool* all, Names* names) {
    if (name.empty()) {
      *all = true;
    } else {
      names->emplace(name);
    }
  }
  static bool Remove(std::string_view name, bool* all, Names* names) {
    if (!name.empty()) return names->erase(std::string(name)) > 0;
    const bool any = *all || !names->empty();
    *all = false;
    names->clear();
    return any;
  }

  bool all_paused_ = false;
  bool all_disabled_ = false;
  Names paused_;
  Names disabled_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_ORDERS_H_
