#include "proxy/row_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proxy/database.h"

namespace pgsidecar::proxy {
namespace {

using cache::CounterIndex;
using catalog::ColumnId;
using catalog::KeyedColumn;
using catalog::KeyType;
using sql::Value;
using sql::ValueKind;

constexpr ColumnId kId{.relation = 1, .column = 1};
constexpr ColumnId kName{.relation = 1, .column = 2};
constexpr uint32_t kInt4 = 23, kInt8 = 20, kFloat8 = 701, kInt4Array = 1007, kText = 25;

Value Number(std::string text) {
  Value value;
  value.kind = ValueKind::kNumber;
  value.text = std::move(text);
  return value;
}

Value String(std::string text) {
  Value value = Number(std::move(text));
  value.kind = ValueKind::kString;
  return value;
}

Value Parameter(uint32_t number, bool only_use = true, bool array = false) {
  Value value;
  value.kind = ValueKind::kParameter;
  value.parameter = number;
  value.only_use = only_use;
  value.array = array;
  return value;
}

class RowPlanTest : public testing::Test {
 protected:
  CounterIndex Slot(const ColumnId& column, KeyType type, std::string_view text) const {
    return database_.SlotCounter(column, *catalog::HashOfText(type, text));
  }
  std::vector<CounterIndex> Read(const std::vector<KeyedColumn>& references,
                                 const RunValues& values = {}) const {
    std::vector<CounterIndex> counters;
    AppendReadCounters({.reads = {{.relation = 1, .references = references}}, .writes = {}},
                       database_, values, counters);
    return counters;
  }
  std::vector<CounterIndex> Write(const KeyedColumn& column, const RunValues* values) const {
    std::vector<CounterIndex> counters;
    AppendWriteCounters({.reads = {}, .writes = {column}}, database_, values, counters);
    return counters;
  }
  std::vector<CounterIndex> Fives() const {
    return {database_.ColumnCounter(kId), Slot(kId, KeyType::kInteger, "5")};
  }
  std::vector<CounterIndex> Any() const { return {database_.RelationCounter(1)}; }
  // Reading id = $1.
  std::vector<CounterIndex> ReadBound(std::string_view value, uint16_t format,
                                      std::vector<uint32_t> types, bool inferred = true,
                                      Value parameter = Parameter(1)) const {
    pgwire::Bind bind;
    bind.values = {value};
    bind.parameter_formats = {format};
    return Read({{kId, KeyType::kInteger, 0, {std::move(parameter)}}},
                {.bind = &bind, .parameter_types = types, .types_inferred = inferred});
  }

  cache::VersionTable versions_;
  Database database_{"shop", &versions_};
};

TEST_F(RowPlanTest, AReadByKeyDependsOnItsSlotsAndTheColumn) {
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, {Number("5")}}}), Fives());
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, {String("5")}}}), Fives());
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, {Number("5.0")}}}), Any());
  Value negative = Number("5");
  negative.negative = true;
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, {negative}}})[1], Slot(kId, KeyType::kInteger, "-5"));
}

TEST_F(RowPlanTest, OneUnknownReferenceIsAReadOfTheRelation) {
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, {Number("5")}},
                  {kId, KeyType::kInteger, 0, {Number("5e0")}}}),
            Any());
}

TEST_F(RowPlanTest, Parameters) {
  EXPECT_EQ(ReadBound("5", 0, {}), Fives());
  EXPECT_EQ(ReadBound("5", 0, {kInt8}), Fives());
  EXPECT_EQ(ReadBound(std::string_view("\0\0\0\5", 4), 1, {kInt4}), Fives());
  EXPECT_EQ(ReadBound(std::string_view("\0\0\0\5", 4), 1, {0}), Fives());
  EXPECT_EQ(ReadBound("5", 0, {kFloat8}), Any());
  EXPECT_EQ(ReadBound("5", 0, {}, /*inferred=*/false), Any());
  EXPECT_EQ(ReadBound("5", 0, {kInt4}, /*inferred=*/false), Fives());
  EXPECT_EQ(ReadBound("5", 0, {}, true, Parameter(1, /*only_use=*/false)), Any());
  EXPECT_EQ(ReadBound("5", 0, {kInt4}, true, Parameter(1, /*only_use=*/false)), Fives());
  EXPECT_EQ(ReadBound("5", 0, {}, true, Parameter(2)), Any());
}

TEST_F(RowPlanTest, ArraysOfParameters) {
  const Value array = Parameter(1, true, true);
  EXPECT_EQ(ReadBound("{5}", 0, {}, true, array), Fives());
  EXPECT_EQ(ReadBound("{5}", 0, {kInt4Array}, true, array), Fives());
  EXPECT_EQ(ReadBound("{5}", 0, {kInt4}, true, array), Any());
  EXPECT_EQ(ReadBound("{5,NULL}", 0, {}, true, array), Any());
  EXPECT_EQ(ReadBound("{}", 0, {}, true, array).size(), 1u) << "the column alone";
}

TEST_F(RowPlanTest, NullEqualsNothing) {
  pgwire::Bind bind;
  bind.values = {std::nullopt};
  const RunValues values{.bind = &bind, .parameter_types = {}, .types_inferred = true};
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, {Parameter(1)}}}, values).size(), 1u);
  EXPECT_TRUE(Write({kId, KeyType::kInteger, 0, {Parameter(1)}}, &values).empty());
}

TEST_F(RowPlanTest, TextBeyondAsciiNeedsOneEncoding) {
  const KeyedColumn column{kName, KeyType::kText, 0, {String("\xc3\xa4")}};
  EXPECT_EQ(Read({column}), Any());
  RunValues values;
  values.utf8 = true;
  EXPECT_EQ(Read({column}, values)[1], Slot(kName, KeyType::kText, "\xc3\xa4"));
}

TEST_F(RowPlanTest, AWriteOfUnknownValuesMovesTheColumn) {
  const std::vector<CounterIndex> all = {database_.ColumnCounter(kName)};
  const RunValues none;
  const KeyedColumn fits{kName, KeyType::kText, 3, {String("abc")}};
  EXPECT_EQ(Write(fits, &none), std::vector{Slot(kName, KeyType::kText, "abc")});
  EXPECT_EQ(Write(fits, nullptr), all);
  EXPECT_EQ(Write({kName, KeyType::kText, 3, {String("abc ")}}, &none), all)
      << "the limit cuts the blank";
  EXPECT_EQ(Write({kName, KeyType::kText, 0, {String("a"), Parameter(1)}}, &none), all)
      << "no Bind";
}

TEST_F(RowPlanTest, ManySlotsAreNotToldApart) {
  std::vector<Value> values;
  for (size_t i = 0; i <= kMaxSlots; ++i) values.push_back(Number(std::to_string(i)));
  EXPECT_EQ(Read({{kId, KeyType::kInteger, 0, values}}), Any());
}

TEST_F(RowPlanTest, AParameterOfAnotherTypeIsNoText) {
  pgwire::Bind bind;
  bind.values = {"abc"};
  const std::vector<uint32_t> types = {kText};
  const KeyedColumn column{kName, KeyType::kText, 0, {Parameter(1)}};
  EXPECT_EQ(Read({column}, {.bind = &bind, .parameter_types = types}).size(), 2u);
  const std::vector<uint32_t> name = {19};
  EXPECT_EQ(Read({column}, {.bind = &bind, .parameter_types = name}), Any());
}

}  // namespace
}  // namespace pgsidecar::proxy
