// The key: different requests never have the same pre-image, and the format never changes
// unnoticed.

#include "cache/key.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>
#include <vector>

namespace pgsidecar::cache {
namespace {

using std::string_literals::operator""s;

// KeyFields that own their bytes and compare.
struct Request {
  Flavor flavor = Flavor::kSimple;
  uint64_t cluster = 1;
  uint32_t database = 5;
  std::string session_user, current_role, environment, sql;
  std::vector<uint32_t> types;
  std::vector<uint16_t> formats;
  std::vector<std::optional<std::string>> values;
  std::vector<uint16_t> result_formats;
  auto operator<=>(const Request&) const = default;

  // The pre-image.
  std::string Image() const {
    std::string scratch = "left over from before";
    MakeKeyInto(scratch);
    return scratch;
  }
  Digest MakeKeyInto(std::string& scratch) const {
    std::vector<std::optional<std::string_view>> views(values.begin(), values.end());
    return MakeKey({.flavor = flavor,
                    .database = {.cluster = cluster, .oid = database},
                    .session = MakeSessionKey({session_user, current_role, environment}),
                    .sql = sql,
                    .parameter_types = types,
                    .parameter_formats = formats,
                    .parameters = views,
                    .result_formats = result_formats},
                   scratch);
  }
};

Request Example() {
  return {.flavor = Flavor::kExtended,
          .cluster = 0x0102030405060708,
          .database = 16384,
          .session_user = "ann",
          .current_role = "reader",
          .environment = "UTC",
          .sql = "select $1, $2, $3",
          .types = {23, 25, 25},
          .formats = {1, 0, 0},
          .values = {"\0\0\0\5"s, std::nullopt, ""},
          .result_formats = {1}};
}

// Computed by an independent implementation of the layout in key.cc. If this fails, the format has
// changed: change the tag with it.
TEST(KeyTest, GoldenDigest) {
  std::string scratch;
  EXPECT_EQ(ToHex(Example().MakeKeyInto(scratch)),
            "cf981123fb8903c1e6f44a227811da93fcfe88d1407d4469b01488bdeda958e2");
  EXPECT_EQ(ToHex(MakeKey({}, scratch)),
            "806d08b5ab717a351bb38f65c38d6809c12b1cf837e7140f319dd6c224e8b635");
}

TEST(KeyTest, DigestIsOfThePreImageAndScratchIsReused) {
  std::string scratch;
  const Digest first = Example().MakeKeyInto(scratch);
  EXPECT_EQ(first, Sha256(scratch));
  const char* const buffer = scratch.data();
  EXPECT_EQ(Example().MakeKeyInto(scratch), first);
  EXPECT_EQ(scratch.data(), buffer);
}

// Each of these requests differs from each other in one thing that changes the answer, or may.
TEST(KeyTest, EveryFieldCounts) {
  std::vector<Request> requests(20, Example());
  requests[1].flavor = Flavor::kSimple;
  requests[2].cluster = 2;
  requests[3].database = 16385;
  requests[4].session_user = "bob";
  requests[5].current_role = "writer";
  requests[6].environment = "CET";
  requests[7].sql = "select $1, $2,  $3";
  requests[8].types[0] = 20;
  requests[9].formats[1] = 1;
  requests[10].result_formats = {0};
  requests[11].result_formats = {1, 1, 1};  // the same meaning, but not the same bytes
  requests[12].result_formats = {};
  requests[13].formats = {};
  requests[14].types = {};
  requests[15].values[1] = "";  // NULL is not ''
  requests[16].values[2] = std::nullopt;
  requests[17].values[2] = "\0"s;
  requests[18].values = {"\0\0\0\5"s, std::nullopt};
  requests[19].values = {"\0\0\0\5"s, "", std::nullopt};
  std::map<std::string, size_t> images;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto [found, is_new] = images.emplace(requests[i].Image(), i);
    EXPECT_TRUE(is_new) << i << " looks like " << found->second;
  }
}

// Bytes that cross from one field into its neighbour, for each way to cut one text into the four
// text fields, and into parameters.
TEST(KeyTest, BoundariesDoNotShift) {
  const std::string text = "aaaaa";
  std::map<std::string, std::tuple<size_t, size_t, size_t>> images;
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      for (size_t k = j; k <= text.size(); ++k) {
        Request request;
        request.session_user = text.substr(0, i);
        request.current_role = text.substr(i, j - i);
        request.environment = text.substr(j, k - j);
        request.sql = text.substr(k);
        EXPECT_TRUE(images.emplace(request.Image(), std::tuple(i, j, k)).second);
        request.values = {request.session_user, request.current_role, request.environment,
                          request.sql};
        request.session_user = request.current_role = request.environment = request.sql = "";
        EXPECT_TRUE(images.emplace(request.Image(), std::tuple(i, j, k)).second);
      }
    }
  }
}

TEST(KeyTest, OneParameterIsNotTwo) {
  Request joined, parted;
  joined.values = {"ab"};
  parted.values = {"a", "b"};
  EXPECT_NE(joined.Image(), parted.Image());
  // A value that spells out the delimiter and header of a second one.
  joined.values = {"a\0\0\0\1b"s};
  EXPECT_NE(joined.Image(), parted.Image());
}

TEST(KeyTest, FormatsDoNotRunIntoResultFormats) {
  Request one, other;
  one.formats = {1};
  other.result_formats = {1};
  EXPECT_NE(one.Image(), other.Image());
  one.types = {0x00010001};
  one.formats = {};
  other.result_formats = {};
  other.formats = {1, 1};
  EXPECT_NE(one.Image(), other.Image());
}

// Draws requests from few short fields over few bytes, so that near misses are frequent.
class RequestDraw {
 public:
  explicit RequestDraw(uint32_t seed) : random_(seed) {}

  Request Next() {
    Request request;
    request.flavor = Number(2) == 0 ? Flavor::kSimple : Flavor::kExtended;
    request.cluster = Number(2);
    request.database = Number(2);
    request.session_user = Text();
    request.current_role = Text();
    request.environment = Text();
    request.sql = Text();
    for (uint32_t i = Number(3); i > 0; --i) request.types.push_back(Number(2));
    for (uint32_t i = Number(3); i > 0; --i) request.formats.push_back(Format());
    for (uint32_t i = Number(3); i > 0; --i) {
      request.values.push_back(Number(3) == 0 ? std::nullopt : std::optional(Text()));
    }
    for (uint32_t i = Number(3); i > 0; --i) request.result_formats.push_back(Format());
    return request;
  }

 private:
  uint32_t Number(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  uint16_t Format() { return static_cast<uint16_t>(Number(2)); }
  std::string Text() {
    std::string text;
    for (uint32_t i = Number(3); i > 0; --i) text.push_back("\0\1\2a"[Number(4)]);
    return text;
  }
  std::mt19937 random_;
};

TEST(KeyTest, DifferentRequestsHaveDifferentPreImages) {
  constexpr uint32_t kSeed = 20'240'501;
  RequestDraw draw(kSeed);
  std::map<std::string, Request> images;
  for (int i = 0; i < 20'000; ++i) {
    const Request request = draw.Next();
    const auto [found, is_new] = images.emplace(request.Image(), request);
    EXPECT_TRUE(is_new || found->second == request) << "seed " << kSeed << ", request " << i;
  }
  EXPECT_GT(images.size(), 10'000u);
}

}  // namespace
}  // namespace pgsidecar::cache
