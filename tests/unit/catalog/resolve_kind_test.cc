// What the kind of a statement says, with a catalog and without one.

#include <array>

#include "sql/analyzer.h"
#include "tests/unit/catalog/outcome_table.h"

namespace pgsidecar::catalog {
namespace {

std::string OutcomeWithout(std::string_view text) {
  const sql::TextInfo info = sql::Analyze(text);
  EXPECT_EQ(info.statements.size(), 1U) << text;
  return Describe(Resolve(info.statements[0], {"public", "someone"}, nullptr), Sample());
}

TEST(ResolveKind, TransactionControl) {
  ExpectOutcomes({
      {"BEGIN", "not_a_select"},
      {"COMMIT", "not_a_select commit"},
      {"ROLLBACK", "not_a_select"},
      {"SAVEPOINT a", "not_a_select"},
      {"RELEASE a", "not_a_select"},
      {"ROLLBACK TO a", "not_a_select"},
      {"PREPARE TRANSACTION 'a'", "not_a_select commit"},
      {"COMMIT PREPARED 'a'", "not_a_select anything catalog commit"},
      {"ROLLBACK PREPARED 'a'", "not_a_select"},
      {"SET CONSTRAINTS ALL DEFERRED", "not_a_select"},
  });
}

TEST(ResolveKind, SessionState) {
  ExpectOutcomes({
      {"SET work_mem = '1MB'", "not_a_select"},
      {"SET LOCAL work_mem = '1MB'", "not_a_select"},
      {"SET LOCAL app.tenant = '1'", "not_a_select"},
      {"SET ROLE x", "not_a_select"},
      {"RESET ALL", "not_a_select"},
      {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "not_a_select"},
      {"SET TRANSACTION READ ONLY", "not_a_select"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "not_a_select"},
      {"SHOW work_mem", "not_a_select"},
      {"PREPARE a AS SELECT 1", "not_a_select pin=prepared_statement"},
      {"EXECUTE a", "not_a_select anything pin=prepared_statement environment"},
      {"DEALLOCATE a", "not_a_select pin=prepared_statement"},
      {"DISCARD ALL", "not_a_select pin=prepared_statement"},
      {"LISTEN a", "not_a_select pin=listen"},
      {"UNLISTEN *", "not_a_select"},
      {"NOTIFY a", "not_a_select"},
      {"LOAD 'auto_explain'", "not_a_select pin=load environment"},
      {"LOCK TABLE accounts", "not_a_select"},
      {"DECLARE a CURSOR FOR SELECT * FROM accounts", "not_a_select"},
      {"DECLARE a CURSOR WITH HOLD FOR SELECT 1", "not_a_select pin=hold_cursor"},
      {"DECLARE a CURSOR FOR SELECT opaque(1)", "not_a_select anything pin=function environment"},
      {"FETCH a", "not_a_select anything"},
      {"CLOSE a", "not_a_select"},
  });
}

TEST(ResolveKind, Utilities) {
  ExpectOutcomes({
      {"CALL p()", "not_a_select anything pin=function environment commit"},
      {"CALL pays(1, 2)", "not_a_select writes=accounts,child,grandchild commit"},
      {"CALL pays_and_says(1, NULL)", "not_a_select writes=accounts,child,grandchild commit"},
      {"CALL commits()", "not_a_select anything pin=function environment commit"},
      {"DO 'BEGIN END'", "not_a_select commit"},
      {"DO $$BEGIN PERFORM deposit(1, 2); END$$",
       "not_a_select writes=accounts,child,grandchild commit"},
      {"DO $$DECLARE a accounts%ROWTYPE; BEGIN DELETE FROM branches; END$$ LANGUAGE plpgsql",
       "not_a_select writes=branches commit"},
      {"DO $$BEGIN CALL pays(1, 2); END$$", "not_a_select writes=accounts,child,grandchild commit"},
      {"DO $$BEGIN PERFORM set_config('work_mem', '64', false); END$$",
       "not_a_select pin=setting environment commit"},
      {"DO $$BEGIN COMMIT; END$$", "not_a_select anything pin=function environment commit"},
      {"DO $$BEGIN EXECUTE 'SET work_mem = 64'; END$$",
       "not_a_select anything pin=function environment commit"},
      {"DO $$BEGIN CREATE TEMP TABLE t (); END$$",
       "not_a_select anything pin=function environment commit"},
      {"DO $$BEGIN PERFORM opaque(1); END$$",
       "not_a_select anything pin=function environment commit"},
      {"DO $$pass$$ LANGUAGE plpython3u", "not_a_select anything pin=function environment commit"},
      {"VACUUM accounts", "not_a_select anything"},
      {"ANALYZE", "not_a_select anything"},
      {"CREATE TABLE fresh (id int)", "not_a_select anything catalog"},
      {"DROP TABLE accounts CASCADE", "not_a_select anything catalog"},
      {"ALTER TABLE accounts ADD COLUMN x int DEFAULT 1", "not_a_select anything catalog"},
      {"CREATE TABLE copied AS SELECT * FROM accounts", "not_a_select anything catalog"},
      {"SELECT * INTO copied FROM accounts", "not_a_select anything catalog"},
      {"REFRESH MATERIALIZED VIEW summary", "not_a_select anything catalog"},
      {"GRANT SELECT ON accounts TO PUBLIC", "not_a_select anything catalog"},
      {"CREATE TEMP TABLE t (id int)", "not_a_select pin=temporary_object"},
      {"COPY (SELECT opaque(1)) TO STDOUT", "not_a_select anything pin=function environment"},
  });
}

TEST(ResolveKind, NotUnderstood) {
  const Resolved resolved = Resolve(sql::StatementInfo(), {"public", "someone"}, &Sample());
  EXPECT_EQ(Describe(resolved, Sample()),
            "not_understood anything catalog pin=unknown environment commit");
}

TEST(ResolveKind, WithoutCatalog) {
  constexpr std::array cases = {
      OutcomeCase{"BEGIN", "not_a_select"},
      OutcomeCase{"COMMIT", "not_a_select commit"},
      OutcomeCase{"SET work_mem = '1MB'", "not_a_select"},
      OutcomeCase{"SELECT 1", "catalog_not_loaded"},
      OutcomeCase{"SELECT * FROM accounts", "catalog_not_loaded anything pin=function environment"},
      OutcomeCase{"SELECT lower('X')", "catalog_not_loaded anything pin=function environment"},
      OutcomeCase{"SELECT 1 + 1", "catalog_not_loaded anything pin=function environment"},
      OutcomeCase{"DELETE FROM accounts", "not_a_select anything pin=function environment"},
      OutcomeCase{"CREATE TABLE x ()", "not_a_select anything catalog pin=function environment"},
  };
  for (const OutcomeCase& one : cases) EXPECT_EQ(OutcomeWithout(one.text), one.outcome);
}

TEST(ResolveKind, EventTriggersRunWithDdl) {
  CatalogBuilder builder;
  AddSampleRows(builder);
  const std::array<std::optional<std::string_view>, 1> row = {"guard"};
  builder.AddRow(12, row);
  const auto catalog = builder.Finish();
  ASSERT_TRUE(catalog.ok());
  const NameContext names = {"public", "someone"};
  const sql::TextInfo info = sql::Analyze("CREATE TABLE x (id int); CREATE TEMP TABLE y (id int)");
  EXPECT_EQ(Describe(Resolve(info.statements[0], names, catalog->get()), **catalog),
            "not_a_select anything catalog pin=function environment");
  EXPECT_EQ(Resolve(info.statements[1], names, catalog->get()).pin, Pin::kFunction);
}

TEST(ResolveKind, EveryNameIsAWord) {
  for (size_t i = 0; i < static_cast<size_t>(Refusal::kCount_); ++i) {
    EXPECT_THAT(std::string(RefusalName(static_cast<Refusal>(i))),
                testing::MatchesRegex("[a-z_]+"));
  }
  for (size_t i = 0; i < static_cast<size_t>(Pin::kCount_); ++i) {
    EXPECT_THAT(std::string(PinName(static_cast<Pin>(i))), testing::MatchesRegex("[a-z_]+"));
  }
}

}  // namespace
}  // namespace pgsidecar::catalog
