// What a server has reported by ParameterStatus, by name. There are few different sets of values
// and thousands who hold them, so copies share one object until one of them is changed.

#ifndef PGSIDECAR_POOL_PARAMETERS_H_
#define PGSIDECAR_POOL_PARAMETERS_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace pgsidecar::pool {

class Parameters {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;

  const Map& map() const { return *map_; }
  // Empty if it was never reported.
  std::string_view Find(std::string_view name) const {
    const auto it = map_->find(name);
    return it == map_->end() ? std::string_view() : std::string_view(it->second);
  }
  // Returns whether that is news.
  bool Set(std::string_view name, std::string_view value) {
    const auto it = map_->find(name);
    if (it != map_->end() && it->second == value) return false;
    if (map_.use_count() > 1) map_ = std::make_shared<Map>(*map_);
    map_->insert_or_assign(std::string(name), std::string(value));
    return true;
  }
  // Known to be equal without a look at the values.
  bool IsSame(const Parameters& other) const { return map_ == other.map_; }
  bool operator==(const Parameters& other) const { return IsSame(other) || *map_ == *other.map_; }

 private:
  std::shared_ptr<Map> map_ = std::make_shared<Map>();
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_PARAMETERS_H_
