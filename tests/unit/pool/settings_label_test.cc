#include "pool/settings_label.h"

#include <gtest/gtest.h>

namespace pgsidecar::pool {
namespace {

SharedLabel Label(SettingsLabel values) {
  return std::make_shared<const SettingsLabel>(std::move(values));
}

TEST(SettingsLabelTest, NoneIsTheSameAsEmpty) {
  EXPECT_TRUE(SameLabel(nullptr, Label({})));
  EXPECT_FALSE(SameLabel(nullptr, Label({{"a", "1"}})));
  EXPECT_EQ(ReplayQuery(Label({}), nullptr), "");
  EXPECT_EQ(ReplayQuery(Label({{"a", "1"}}), Label({{"a", "1"}})), "");
}

TEST(SettingsLabelTest, WhatDiffersIsSetAndWhatIsTooMuchIsReset) {
  EXPECT_EQ(ReplayQuery(Label({{"a", "1"}, {"b", "2"}}), Label({{"a", "1"}, {"c", "3"}})),
            "SELECT pg_catalog.set_config(E'b', NULL, false), "
            "pg_catalog.set_config(E'c', E'3', false)");
  EXPECT_EQ(ReplayQuery(nullptr, Label({{"app.x", std::nullopt}})),
            "SELECT pg_catalog.set_config(E'app.x', NULL, false)");
}

TEST(SettingsLabelTest, EverythingIsSetByTheRoleOfTheLogin) {
  EXPECT_EQ(ReplayQuery(Label({{"role", "a"}}), Label({{"role", "b"}, {"work_mem", "9MB"}})),
            "SELECT pg_catalog.set_config(E'role', NULL, false), "
            "pg_catalog.set_config(E'work_mem', E'9MB', false), "
            "pg_catalog.set_config(E'role', E'b', false)");
  EXPECT_EQ(ReplayQuery(nullptr, Label({{"role", "b"}, {"session_authorization", "c"}})),
            "SELECT pg_catalog.set_config(E'session_authorization', E'c', false), "
            "pg_catalog.set_config(E'role', E'b', false)");
}

TEST(SettingsLabelTest, ValuesAreLiteralsUnderAnySetting) {
  EXPECT_EQ(ReplayQuery(nullptr, Label({{"a.b", R"(it's \ here)"}})),
            R"(SELECT pg_catalog.set_config(E'a.b', E'it''s \\ here', false))");
}

TEST(SettingsLabelTest, CustomSettingsStay) {
  const SharedLabel custom = Label({{"app.x", "1"}, {"work_mem", "9MB"}});
  EXPECT_TRUE(HoldsCustom(custom));
  EXPECT_FALSE(CanBecome(custom, nullptr));
  EXPECT_TRUE(CanBecome(custom, Label({{"app.x", std::nullopt}})));
  EXPECT_TRUE(CanBecome(nullptr, custom));
  EXPECT_TRUE(SameLabel(ResetLabel(custom), Label({{"app.x", std::nullopt}})));
  EXPECT_EQ(ResetLabel(Label({{"work_mem", "9MB"}})), nullptr);
}

TEST(SettingsLabelTest, AValueIsNotSentUnderAnotherEncoding) {
  const SharedLabel held = Label({{"client_encoding", "LATIN1"}});
  EXPECT_TRUE(CanBecome(held, Label({{"search_path", "a"}})));
  EXPECT_FALSE(CanBecome(held, Label({{"search_path", "\xc3\xa4"}})));
}

TEST(SettingsLabelTest, WhatCannotBeSetAgain) {
  EXPECT_TRUE(CanReplay("work_mem", "9MB", false));
  EXPECT_TRUE(CanReplay("search_path", "a", true));
  EXPECT_TRUE(CanReplay("app.x", "a", true));
  EXPECT_TRUE(CanReplay("log_statement", "all", false));
  EXPECT_FALSE(CanReplay("log_statement", "all", true));
  EXPECT_FALSE(CanReplay("seed", "0.5", false));
  EXPECT_FALSE(CanReplay("idle_session_timeout", "5s", false));
  EXPECT_FALSE(CanReplay("default_text_search_config", "english", false));
  EXPECT_TRUE(CanReplay("default_text_search_config", "pg_catalog.english", false));
}

}  // namespace
}  // namespace pgsidecar::pool
