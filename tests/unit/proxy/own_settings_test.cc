// pgsidecar's own settings: transactions, and the startup packet.

#include "proxy/own_settings.h"

#include <gtest/gtest.h>

#include "proxy/startup_options.h"

namespace pgsidecar::proxy {
namespace {

using std::chrono::seconds;

class OwnSettingsTest : public testing::Test {
 protected:
  void Set(std::string_view name, const std::string& value, bool in_transaction = true) {
    EXPECT_FALSE(settings_.Set(name, &value, false));
    if (!in_transaction) settings_.Commit();
  }
  void SetLocal(std::string_view name, const std::string& value) {
    EXPECT_FALSE(settings_.Set(name, &value, true));
  }
  std::optional<CacheMode> cache() const { return settings_.now().cache; }
  std::optional<Duration> ttl() const { return settings_.now().ttl; }

  OwnSettings settings_;
};

TEST_F(OwnSettingsTest, SetHoldsAfterCommitOnly) {
  Set(kTtlSetting, "30s");
  EXPECT_EQ(ttl(), seconds(30));
  settings_.Rollback();
  EXPECT_EQ(ttl(), std::nullopt);
  Set(kTtlSetting, "30s");
  settings_.Commit();
  EXPECT_EQ(ttl(), seconds(30));
}

TEST_F(OwnSettingsTest, LocalEndsWithTheTransaction) {
  Set(kCacheSetting, "verify", false);
  SetLocal(kCacheSetting, "off");
  Set(kTtlSetting, "1s");
  EXPECT_EQ(cache(), CacheMode::kOff);
  settings_.Commit();
  EXPECT_EQ(cache(), CacheMode::kVerify);
  EXPECT_EQ(ttl(), seconds(1));
}

TEST_F(OwnSettingsTest, ResetGoesBackToTheStart) {
  settings_.Start({.cache = CacheMode::kVerify, .ttl = seconds(7)});
  Set(kCacheSetting, "on", false);
  Set(kTtlSetting, "1s", false);
  EXPECT_FALSE(settings_.Set(kTtlSetting, nullptr, false));
  EXPECT_EQ(ttl(), seconds(7));
  EXPECT_EQ(cache(), CacheMode::kOn);
  settings_.ResetAll();
  EXPECT_EQ(cache(), CacheMode::kVerify);
  settings_.Rollback();
  EXPECT_EQ(cache(), CacheMode::kOn);
}

TEST_F(OwnSettingsTest, Savepoints) {
  Set(kTtlSetting, "1h");
  settings_.Savepoint("a");
  SetLocal(kCacheSetting, "verify");
  settings_.Savepoint("b");
  Set(kCacheSetting, "off");
  settings_.RollbackTo("b");
  EXPECT_EQ(cache(), CacheMode::kVerify);
  SetLocal(kCacheSetting, "off");
  settings_.Release("b");
  EXPECT_EQ(cache(), CacheMode::kOff);
  settings_.RollbackTo("a");
  EXPECT_EQ(cache(), std::nullopt);
  settings_.ResetAll();
  EXPECT_EQ(ttl(), std::nullopt);
  settings_.RollbackTo("a");  // which is still there
  settings_.RollbackTo("b");  // which is not
  EXPECT_EQ(ttl(), std::chrono::hours(1));
  settings_.Commit();
  settings_.Rollback();
  EXPECT_EQ(ttl(), std::chrono::hours(1));
}

TEST_F(OwnSettingsTest, TheNewestSavepointOfAName) {
  settings_.Savepoint("a");
  Set(kTtlSetting, "1s");
  settings_.Savepoint("a");
  Set(kTtlSetting, "2s");
  settings_.RollbackTo("a");
  EXPECT_EQ(ttl(), seconds(1));
  settings_.Release("a");
  settings_.RollbackTo("a");
  EXPECT_EQ(ttl(), std::nullopt);
}

TEST_F(OwnSettingsTest, Wrong) {
  const std::string value = "sometimes";
  for (const auto name : {kCacheSetting, kTtlSetting, kConsistencySetting}) {
    const auto error = settings_.Set(name, &value, false);
    ASSERT_TRUE(error) << name;
    EXPECT_EQ(error->sqlstate, "22023");
  }
  EXPECT_EQ(settings_.Set("pgsidecar.nothing", nullptr, false)->sqlstate, "42704");
  const std::string linearizable = "linearizable";
  EXPECT_NE(
      settings_.Set(kConsistencySetting, &linearizable, false)->hint.find("needs the change feed"),
      std::string::npos);
  EXPECT_EQ(settings_.now(), CacheWishes{});
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

Parameters Taken(Parameters parameters, const CacheWishes& expected) {
  pgwire::StartupMessage startup;
  startup.parameters = std::move(parameters);
  const auto wishes = TakeOwnOptions(startup);
  EXPECT_TRUE(wishes.ok());
  EXPECT_EQ(wishes.ok() ? *wishes : CacheWishes{}, expected);
  return startup.parameters;
}

std::string TakenOptions(const std::string& options, const CacheWishes& expected) {
  const Parameters left = Taken({{"options", options}}, expected);
  return left.empty() ? "none" : left[0].second;
}

TEST(StartupOptionsTest, OursAreTakenOut) {
  const CacheWishes off{.cache = CacheMode::kOff};
  EXPECT_EQ(TakenOptions("-c pgsidecar.cache=off", off), "none");
  EXPECT_EQ(TakenOptions("-cpgsidecar.cache=off", off), "none");
  EXPECT_EQ(TakenOptions("--pgsidecar.cache=off", off), "none");
  EXPECT_EQ(TakenOptions("  -c\tPgSidecar.Cache=off  ", off), "none");
  EXPECT_EQ(TakenOptions("-c pgsidecar.cache=o\\ff", off), "none");
  EXPECT_EQ(TakenOptions("-c a=b -c pgsidecar.cache=off -c c=\\ d\\ e --f-g=h", off),
            "-c a=b -c c=\\ d\\ e --f-g=h");
  EXPECT_EQ(Taken({{"user", "u"}, {"pgsidecar.ttl", "3s"}, {"database", "d"}}, {.ttl = seconds(3)}),
            (Parameters{{"user", "u"}, {"database", "d"}}));
}

TEST(StartupOptionsTest, TheRestStaysAsItWas) {
  for (const std::string options :
       {"", " ", "-c  a=b ", "-c", "-c pgsidecar", "-c a=pgsidecar.cache", "x\\"}) {
    const Parameters left = Taken({{"options", options}}, {});
    EXPECT_EQ(left.empty() ? "" : left[0].second, options);
  }
}

TEST(StartupOptionsTest, Wrong) {
  for (const std::string options : {"-c pgsidecar.cache=maybe", "-c pgsidecar.cache",
                                    "--pgsidecar.nothing=1", "-cpgsidecar.ttl=soon"}) {
    pgwire::StartupMessage startup;
    startup.parameters = {{"options", options}};
    EXPECT_FALSE(TakeOwnOptions(startup).ok()) << options;
  }
}

}  // namespace
}  // namespace pgsidecar::proxy
