// Rules, classes, hints, and what holds of all that is said.

#include "proxy/rules.h"

#include <gtest/gtest.h>

#include "proxy/config.h"
#include "proxy/hint.h"
#include "sql/analyzer.h"

namespace pgsidecar::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST(GlobTest, Matches) {
  EXPECT_TRUE(GlobMatches("", ""));
  EXPECT_FALSE(GlobMatches("", "a"));
  EXPECT_TRUE(GlobMatches("*", ""));
  EXPECT_TRUE(GlobMatches("select * from ?", "SELECT a, b FROM t"));
  EXPECT_FALSE(GlobMatches("select * from ?", "SELECT a, b FROM tt"));
  EXPECT_TRUE(GlobMatches("*from t*", "select 1 from t where a"));
  EXPECT_TRUE(GlobMatches("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(GlobMatches("a*b*c", "aXbYbZ"));
  EXPECT_FALSE(GlobMatches("select", "select 1"));
  EXPECT_FALSE(GlobMatches("?", ""));
  EXPECT_TRUE(GlobMatches("[a]", "[A]"));
}

TEST(GlobTest, ManyStarsTakeNoLongTime) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(GlobMatches(pattern + "b", std::string(20'000, 'a')));
}

TEST(RulesTest, FirstMatchHolds) {
  const std::vector<sql::QualifiedName> relations = {{"public", "orders"}, {"shop", "items"}};
  const StatementFacts statement = {"SELECT 1", relations};
  const SessionIdentity session = {"web", "report", "app"};
  const auto found = [&](const std::vector<Rule>& rules) {
    return FindRule(rules, statement, session);
  };
  const Rule other{.relation = "other"};
  EXPECT_EQ(found({}), std::nullopt);
  EXPECT_EQ(found({other}), std::nullopt);
  EXPECT_EQ(found({other, Rule{}, Rule{}}), 1u);
  EXPECT_EQ(found({Rule{.relation = "orders"}}), 0u);
  EXPECT_EQ(found({Rule{.relation = "public.orders"}}), 0u);
  EXPECT_EQ(found({Rule{.relation = "shop.orders"}}), std::nullopt);
  EXPECT_EQ(found({Rule{.relation = "shop.items"}}), 0u);
  EXPECT_EQ(found({Rule{.pattern = "select *"}}), 0u);
  EXPECT_EQ(found({Rule{.pattern = "*insert*"}}), std::nullopt);
  EXPECT_EQ(found({Rule{.user = "web", .application_name = "report", .database = "app"}}), 0u);
  EXPECT_EQ(found({Rule{.user = "root"}}), std::nullopt);
  EXPECT_EQ(found({Rule{.application_name = "psql"}}), std::nullopt);
  EXPECT_EQ(found({Rule{.database = "shop"}}), std::nullopt);
}

TEST(RulesTest, ClassOfText) {
  const auto of = [](std::string_view text) {
    return ClassOf(sql::Analyze(text).statements.at(0));
  };
  EXPECT_EQ(of("SELECT a FROM t"), CacheClass::kQuery);
  EXPECT_EQ(of("SELECT a FROM t WHERE a % 2 = 0"), CacheClass::kQuery);
  EXPECT_EQ(of("SELECT a FROM t WHERE a LIKE 'x%'"), CacheClass::kQuery);
  EXPECT_EQ(of("SELECT a FROM t WHERE a ILIKE 'x'"), CacheClass::kSearch);
  EXPECT_EQ(of("SELECT a FROM t WHERE a @@ to_tsquery('x')"), CacheClass::kSearch);
  EXPECT_EQ(of("SELECT a FROM t ORDER BY a <-> 'x'"), CacheClass::kSearch);
}

TEST(HintTest, Words) {
  const auto wishes = [](std::string_view text) {
    const Hint hint = ReadHint(text);
    EXPECT_FALSE(hint.bad) << text;
    return hint.wishes;
  };
  const CacheWishes off{.cache = CacheMode::kOff};
  EXPECT_EQ(wishes("SELECT 1"), CacheWishes{});
  EXPECT_EQ(wishes("/* a remark */ SELECT 1"), CacheWishes{});
  EXPECT_EQ(wishes("/* pgsidecar: off */ SELECT 1"), off);
  EXPECT_EQ(wishes(" \n/*pgsidecar:off*/SELECT 1"), off);
  EXPECT_EQ(wishes("/* a remark */ /* pgsidecar: cache=off */ SELECT 1"), off);
  EXPECT_EQ(wishes("/* pgsidecar: */ SELECT 1"), CacheWishes{});
  EXPECT_EQ(wishes("/* pgsidecar: ttl=30s, class=search consistency=ttl,cache=verify */ SELECT 1"),
            (CacheWishes{.cache = CacheMode::kVerify,
                         .ttl = seconds(30),
                         .consistency = Consistency::kTtl,
                         .cache_class = CacheClass::kSearch}));
  // Only a leading comment is a hint, and none within another or after a line's comment.
  EXPECT_EQ(wishes("SELECT /* pgsidecar: off */ 1"), CacheWishes{});
  EXPECT_EQ(wishes("/* /* pgsidecar: off */ */ SELECT 1"), CacheWishes{});
  EXPECT_EQ(wishes("-- x\n/* pgsidecar: off */ SELECT 1"), CacheWishes{});
  EXPECT_EQ(wishes("/* pgsidecar: off"), CacheWishes{});
}

TEST(HintTest, WhatIsNotUnderstoodIsBad) {
  for (const std::string_view words :
       {"nonsense", "ttl", "ttl=", "ttl=soon", "ttl=0", "colour=red", "consistency=linearizable",
        "class=big", "off, on", "ttl=1s ttl=2s", "ttl = 1s"}) {
    EXPECT_TRUE(ReadHint("/* pgsidecar: " + std::string(words) + " */ SELECT 1").bad) << words;
  }
}

TEST(PolicyTest, TheNarrowestModeHolds) {
  const Config config;
  const auto mode = [&](CacheMode ceiling, CacheMode own, CacheMode rule, CacheMode hint) {
    StatementPolicy statement;
    statement.rule.cache = rule;
    statement.hint.cache = hint;
    return PolicyOf(config, statement, ceiling, {.cache = own}).mode;
  };
  const std::vector<CacheMode> all = {CacheMode::kOff, CacheMode::kObserve, CacheMode::kVerify,
                                      CacheMode::kOn};
  for (const CacheMode a : all) {
    for (const CacheMode b : all) {
      EXPECT_EQ(mode(a, b, CacheMode::kOn, CacheMode::kOn), std::min(a, b));
      EXPECT_EQ(mode(CacheMode::kOn, CacheMode::kOn, a, b), std::min(a, b));
      EXPECT_EQ(mode(a, CacheMode::kOn, CacheMode::kOn, b), std::min(a, b));
    }
  }
  EXPECT_EQ(PolicyOf(config, {}, CacheMode::kOn, {}).mode, CacheMode::kOn);
}

TEST(PolicyTest, WhoSaidOff) {
  const Config config;
  StatementPolicy statement;
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOff, {}).off_because, "cache_off");
  statement.rule.cache = CacheMode::kOff;
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).off_because, "off_by_rule");
  statement.hint.cache = CacheMode::kOff;
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).off_because, "off_by_hint");
  statement.bad_hint = true;
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).off_because, "bad_hint");
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).mode, CacheMode::kOff);
}

TEST(PolicyTest, TheNearestAgeAndLevelHold) {
  const Config config;
  StatementPolicy statement;
  CacheWishes own;
  const auto read = [&] { return PolicyOf(config, statement, CacheMode::kOn, own).read; };
  EXPECT_EQ(read().max_age, seconds(5));
  EXPECT_TRUE(read().check_stamps);
  statement.rule.consistency = Consistency::kTtl;
  EXPECT_EQ(read().max_age, minutes(5));  // nobody has promised what others write
  EXPECT_FALSE(read().check_stamps);
  statement.rule.ttl = seconds(40);
  EXPECT_EQ(read().max_age, seconds(40));
  own = {.ttl = seconds(30), .consistency = Consistency::kSession};
  EXPECT_EQ(read().max_age, seconds(30));
  EXPECT_TRUE(read().check_stamps);
  statement.hint = {.ttl = seconds(20), .consistency = Consistency::kTtl};
  EXPECT_EQ(read().max_age, seconds(20));
  EXPECT_FALSE(read().check_stamps);
}

TEST(PolicyTest, TheClassSaysAgeAndSize) {
  Config config;
  config.sole_writer = true;
  StatementPolicy statement{.cache_class = CacheClass::kSearch};
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).read.max_age, minutes(30));
  statement.rule.cache_class = CacheClass::kContent;
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).max_entry_bytes, 100u << 20);
  statement.hint.cache_class = CacheClass::kQuery;
  EXPECT_EQ(PolicyOf(config, statement, CacheMode::kOn, {}).read.max_age, minutes(5));
}

}  // namespace
}  // namespace pgsidecar::proxy
