// Loading a catalog, the answers to poll and probe, the search path, and what is trusted.

#include "catalog/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catalog/search_path.h"
#include "catalog/snapshot.h"
#include "tests/unit/catalog/sample.h"

namespace pgsidecar::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

using Values = std::vector<std::optional<std::string_view>>;

TEST(CatalogBuilder, RefusesWhatItDoesNotExpect) {
  const Values good = {"1", "name"};
  for (const Values& bad : {Values{"1"}, Values{"x", "name"}, Values{"1", std::nullopt},
                            Values{"1", "name", "more"}, Values{"-1", "name"}}) {
    CatalogBuilder builder;
    AddSampleRows(builder);
    builder.AddRow(0, good);
    builder.AddRow(0, bad);
    EXPECT_FALSE(builder.Finish().ok());
  }
  CatalogBuilder too_many_sets;
  AddSampleRows(too_many_sets);
  too_many_sets.AddRow(14, good);
  EXPECT_FALSE(too_many_sets.Finish().ok());
  EXPECT_FALSE(CatalogBuilder().Finish().ok());
}

TEST(CatalogBuilder, CastBetweenBuiltInTypesMakesEverythingUnknown) {
  CatalogBuilder builder;
  AddSampleRows(builder);
  const Values cast = {"25", "1082", "i", "0"};
  builder.AddRow(11, cast);
  const auto catalog = builder.Finish();
  ASSERT_TRUE(catalog.ok());
  sql::StatementInfo select;
  select.kind = sql::StatementKind::kSelect;
  const Resolved resolved = Resolve(select, {"public", "someone"}, catalog->get());
  EXPECT_EQ(resolved.refusal, Refusal::kUnknownFunction);
  EXPECT_TRUE(resolved.writes_anything);
}

TEST(CatalogBuilder, ReplacedBuiltInFunctionIsNotTrusted) {
  const auto class_with = [](const Values& row) {
    CatalogBuilder builder;
    AddSampleRows(builder);
    builder.AddRow(8, row);
    return builder.Finish().value()->FunctionsNamed("lower")->builtin;
  };
  EXPECT_EQ(class_with({"9999", "lower", "11", "internal", "i", "f", std::nullopt, "f"}),
            FunctionClass::kPure);
  EXPECT_EQ(class_with({"9999", "lower", "11", "internal", "v", "f", std::nullopt, "f"}),
            FunctionClass::kUnknown);
  EXPECT_EQ(class_with({"9999", "lower", "11", "plpgsql", "i", "f", std::nullopt, "f"}),
            FunctionClass::kUnknown);
  EXPECT_EQ(class_with({"99999", "lower", "11", "internal", "i", "f", "25", "f"}),
            FunctionClass::kUnknown);
}

TEST(TrustedFunctions, EveryBuiltInOperatorIsTrusted) {
  for (const std::string_view name :
       {"=",  "<>",  "<",   ">",  "<=", ">=", "+",  "-", "*",   "/", "%", "||", "~", "~~", "~~*",
        "->", "->>", "#>>", "@>", "<@", "&&", "@@", "?", "<->", "^", "|", "&",  "#", "<<", ">>"}) {
    ASSERT_NE(Sample().OperatorsNamed(name), nullptr) << name;
    EXPECT_TRUE(Sample().OperatorsNamed(name)->builtin_trusted) << name;
  }
}

TEST(TrustedFunctions, NothingThatActsIsPure) {
  for (const std::string_view name :
       {"date_in", "query_to_xml", "ts_stat", "ts_rewrite", "lo_get", "dblink", "pg_read_file",
        "json_populate_record", "pg_terminate_backend", "pg_reload_conf", "table_to_xml"}) {
    EXPECT_EQ(TrustedClass(name), FunctionClass::kUnknown) << name;
  }
}

TEST(SearchPath, SplitsAsPostgresDoes) {
  EXPECT_THAT(SplitSearchPath("\"$user\", public", "ann"), Optional(ElementsAre("ann", "public")));
  EXPECT_THAT(SplitSearchPath(" A , \"A\" ,\"a\"\"b, c\"", "ann"),
              Optional(ElementsAre("a", "A", "a\"b, c")));
  EXPECT_THAT(SplitSearchPath("", "ann"), Optional(IsEmpty()));
  EXPECT_THAT(SplitSearchPath("\"\"", "ann"), Optional(ElementsAre("")));
  for (const std::string_view bad : {"a,", ",a", "a b", "\"a", "a,,b", "\"a\"b"}) {
    EXPECT_EQ(SplitSearchPath(bad, "ann"), std::nullopt) << bad;
  }
  EXPECT_EQ(SplitSearchPath(std::string(64, 'x'), "ann"), std::nullopt);
}

TEST(Poll, ReadsItsRow) {
  const Values row = {"f", "1", "2", "3", "00000001", "f", "5", "150004", "{7,8}"};
  const auto answer = ReadPollRow(row);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->fingerprint, "f");
  EXPECT_EQ(answer->timeline, "00000001");
  EXPECT_FALSE(answer->in_recovery);
  EXPECT_EQ(answer->database, 5U);
  EXPECT_EQ(answer->server_version, 150004);
  EXPECT_THAT(answer->alive, ElementsAre(7, 8));
  EXPECT_FALSE(ReadPollRow(Values{"f"}).ok());
  Values bad = row;
  bad[8] = "7";
  EXPECT_FALSE(ReadPollRow(bad).ok());
}

// The text is kept as a file, for the integration test that runs it. UPDATE_GOLDEN=1 rewrites it.
TEST(Poll, TextIsTheGoldenOne) {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "poll_query.sql";
  const std::string text = PollQuery({}) + "\n";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, golden.str());
  const std::array<uint32_t, 2> pids = {1, 22};
  EXPECT_THAT(PollQuery(pids), testing::HasSubstr("'{1,22}'"));
}

// --- the probe ---

using Settings = std::vector<std::pair<std::string, std::string>>;

const Settings kUsual = {{"application_name", "psql"},
                         {"client_encoding", "UTF8"},
                         {"default_transaction_isolation", "read committed"},
                         {"log_statement", "none"},
                         {"row_security", "on"},
                         {"search_path", "public"},
                         {"session_replication_role", "origin"},
                         {"standard_conforming_strings", "on"},
                         {"statement_timeout", "0"},
                         {"TimeZone", "UTC"},
                         {"app.tenant", "1"}};

Result<ProbeAnswer> Probed(const Settings& settings, const char* login = "6c",
                           const char* recovery = "f") {
  ProbeReader reader;
  for (const auto& [name, value] : settings) reader.OnRow(0, Values{name, value, "what it means"});
  reader.OnRow(1, Values{login, "ann", "bob", "1", "5", recovery});
  return reader.Finish();
}

Settings With(const std::string& name, const std::string& value) {
  Settings settings = kUsual;
  std::ranges::find(settings, name, &Settings::value_type::first)->second = value;
  return settings;
}

TEST(Probe, ReadsWhatItIsTold) {
  const auto answer = Probed(kUsual);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->search_path, "public");
  EXPECT_EQ(answer->default_isolation, "read committed");
  EXPECT_EQ(answer->session_user, "ann");
  EXPECT_EQ(answer->current_user, "bob");
  EXPECT_EQ(answer->conf_load_time, "1");
  EXPECT_EQ(answer->database, 5U);
  EXPECT_EQ(answer->uncacheable_because, "");
}

TEST(Probe, TellsSettingsApart) {
  const std::string usual = Probed(kUsual)->environment;
  for (const char* name : {"search_path", "TimeZone", "app.tenant", "client_encoding"}) {
    EXPECT_NE(Probed(With(name, "other"))->environment, usual) << name;
  }
  for (const char* name : {"application_name", "default_transaction_isolation", "log_statement",
                           "statement_timeout"}) {
    EXPECT_EQ(Probed(With(name, "other"))->environment, usual) << name;
  }
  EXPECT_EQ(Probed(With("search_path", "other"))->login_settings, Probed(kUsual)->login_settings);
  EXPECT_NE(Probed(kUsual, "6d")->login_settings, Probed(kUsual)->login_settings);
  EXPECT_NE(Probed(kUsual, "6d")->environment, usual);
}

TEST(Probe, NamesWhatForbidsCaching) {
  for (const auto& [name, value] :
       {std::pair("row_security", "off"), std::pair("standard_conforming_strings", "off"),
        std::pair("client_encoding", "SJIS"), std::pair("session_replication_role", "replica")}) {
    EXPECT_EQ(Probed(With(name, value))->uncacheable_because, name);
  }
  EXPECT_EQ(Probed(kUsual, "6c", "t")->uncacheable_because, "in_recovery");
}

TEST(Probe, IsNotContentWithHalfAnAnswer) {
  EXPECT_FALSE(ProbeReader().Finish().ok());
  EXPECT_FALSE(Probed({}).ok());
  // What is not said may forbid caching.
  for (const char* name :
       {"client_encoding", "default_transaction_isolation", "row_security", "search_path",
        "session_replication_role", "standard_conforming_strings"}) {
    Settings settings = kUsual;
    std::erase_if(settings, [name](const auto& setting) { return setting.first == name; });
    EXPECT_FALSE(Probed(settings).ok()) << name;
  }
  ProbeReader reader;
  for (const auto& [name, value] : kUsual) reader.OnRow(0, Values{name, value, ""});
  EXPECT_FALSE(reader.Finish().ok());
  reader.OnRow(1, Values{"6c"});
  EXPECT_FALSE(reader.Finish().ok());
}

}  // namespace
}  // namespace pgsidecar::catalog
