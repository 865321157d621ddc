#include <support/catch.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>

#include <datasets/text.h>
#include <retention/base/error.h>

namespace retentive::datasets {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;

// Token values tell where they come from: 1000 times the document plus the place.
std::vector<std::vector<int64_t>> numbered(const std::vector<int64_t>& sizes) {
  std::vector<std::vector<int64_t>> documents;
  for (size_t d = 0; d < sizes.size(); ++d) {
    documents.emplace_back(static_cast<size_t>(sizes[d]));
    std::iota(documents.back().begin(), documents.back().end(), static_cast<int64_t>(1000 * d));
  }
  return documents;
}

void check_batch(const TokenBatch& batch, const std::vector<int64_t>& sizes) {
  const auto tokens = static_cast<size_t>(batch.rows * batch.length);
  REQUIRE(batch.tokens.size() == tokens);
  REQUIRE(batch.targets.size() == tokens);
  int64_t covered = 0;
  for (size_t s = 0; s < batch.ranges.size(); s += 2) {
    const auto begin = batch.ranges[s], end = batch.ranges[s + 1];
    REQUIRE(begin == covered);
    REQUIRE(end > begin);
    CHECK(begin / batch.length == (end - 1) / batch.length);  // within one row
    covered = end;
    for (int64_t i = begin; i < end; ++i) {
      const auto token = batch.tokens[static_cast<size_t>(i)];
      CHECK(token == batch.tokens[static_cast<size_t>(begin)] + i - begin);
      const bool last = token % 1000 == sizes[static_cast<size_t>(token / 1000)] - 1;
      CHECK(batch.targets[static_cast<size_t>(i)] == (last ? TokenBatch::kNoTarget : token + 1));
    }
  }
  CHECK(covered == static_cast<int64_t>(tokens));
}

}  // namespace

TEST_CASE("rows hold documents one after another, each token at most once an epoch", "[text]") {
  const std::vector<int64_t> sizes = {50, 1, 7, 300, 0, 64, 13};
  const PackedDocuments packed(numbered(sizes), {.rows = 3, .length = 16, .seed = 5});
  CHECK(packed.tokens() == 435);
  CHECK(packed.size() == 8);  // (435 - 15) / 16 = 26 rows
  std::set<int64_t> offsets;
  std::map<int64_t, int64_t> seen;
  for (int64_t number = 0; number < 40; ++number) {
    const auto epoch = packed.epoch(number);
    offsets.insert(epoch.offset);
    std::set<int64_t> in_epoch;
    for (int64_t i = 0; i < packed.size(); ++i) {
      const auto batch = packed.batch(epoch, i);
      check_batch(batch, sizes);
      for (const auto token : batch.tokens) {
        CHECK(in_epoch.insert(token).second);
        ++seen[token];
      }
    }
  }
  CHECK(offsets.size() > 10);
  CHECK(*offsets.rbegin() < 16);
  CHECK(seen.size() == 435);  // what one epoch leaves out, another has
}

TEST_CASE("an epoch depends on seed and number alone", "[text]") {
  const auto first_batch = [](uint64_t seed, int64_t epoch) {
    const PackedDocuments packed(numbered({100, 200, 300}), {.rows = 2, .length = 20, .seed = seed});
    return packed.batch(packed.epoch(epoch), 0).tokens;
  };
  CHECK(first_batch(1, 0) == first_batch(1, 0));
  CHECK(first_batch(1, 0) != first_batch(1, 1));
  CHECK(first_batch(1, 0) != first_batch(2, 0));
}

TEST_CASE("too little text and sizes without meaning are refused", "[text]") {
  CHECK(PackedDocuments(numbered({9, 7}), {.rows = 1, .length = 16, .seed = 0}).size() == 1);
  CHECK_THROWS_WITH(PackedDocuments(numbered({9, 6}), {.rows = 1, .length = 16, .seed = 0}),
                    Contains("15 tokens of 2 texts"));
  CHECK_THROWS_AS(PackedDocuments({}, {.rows = 1, .length = 16, .seed = 0}), DataError);
  CHECK_THROWS_AS(PackedDocuments(numbered({90}), {.rows = 0, .length = 16, .seed = 0}), InvalidArgument);
  CHECK_THROWS_AS(PackedDocuments(numbered({90}), {.rows = 1, .length = 1, .seed = 0}), InvalidArgument);
}

TEST_CASE("documents are the text files of a folder by name, or one file", "[text]") {
  const auto folder = fs::temp_directory_path() / ("retentive_text_" + std::to_string(getpid()));
  fs::create_directories(folder / "inner");
  CHECK_THROWS_WITH(read_documents(folder), Contains("no *.txt"));
  for (const auto* name : {"b.txt", "a.txt", "c.md"}) std::ofstream(folder / name) << "text of " << name;
  const auto all = read_documents(folder);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "a.txt");
  CHECK(all[1].text == "text of b.txt");
  CHECK(read_documents(folder / "c.md")[0].text == "text of c.md");
  CHECK_THROWS_WITH(read_documents(folder / "d.txt"), Contains("d.txt"));
  fs::remove_all(folder);
}

}  // namespace retentive::datasets
