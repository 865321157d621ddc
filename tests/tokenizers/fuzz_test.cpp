#include <random>

#include <models/tokenizers/tokenizer.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <tokenizers/fixtures.h>

namespace retentive::models {
namespace {

using namespace retentive::testing;

constexpr char kInteresting[] = "{}[]\",:0123456789.-eE\\/ntrufals\xE2\x96\x81\xFF\x80\x0A\x12\x1A\x15\x18";

std::string mutated(std::string content, std::mt19937& random) {
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  const std::size_t changes = 1 + below(4);
  for (std::size_t i = 0; i < changes && !content.empty(); ++i) {
    // Half of the damage goes to the ends, where the structure is.
    const std::size_t size = content.size(), edge = std::min<std::size_t>(size, 900);
    const std::size_t at = below(2) == 0 ? below(size) : below(2) == 0 ? below(edge) : size - 1 - below(edge);
    switch (below(5)) {
      case 0:
        content[at] = static_cast<char>(content[at] ^ 1 << below(8));
        break;
      case 1:
        content.erase(at, 1 + below(12));
        break;
      case 2:
        content.insert(at, content.substr(below(size), 1 + below(24)));
        break;
      case 3:
        content.resize(below(8) == 0 ? at : size);
        break;
      default:
        content[at] = kInteresting[below(sizeof kInteresting - 1)];
    }
  }
  return content;
}

// A damaged tokenizer that loads must also work, or say why not.
void use(const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode("The retention  of 12 \xC3\xA4\xF0\x9F\x98\x80 <s>", {.add_special_tokens = true});
  for (const auto id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) FAIL("id " << id);
  }
  tokenizer.decode(ids);
}

void fuzz(const std::string& file, unsigned rounds, unsigned seed) {
  std::mt19937 random(seed);
  const std::string original = file_text(tokenizer_path(file));
  unsigned accepted = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    try {
      use(*parse_tokenizer(mutated(original, random), "fuzz"));
      ++accepted;
    } catch (const Error&) {
    } catch (const std::exception& error) {
      FAIL(file << " round " << round << " seed " << seed << ": " << error.what());
    }
  }
  INFO(file << ": " << accepted << " of " << rounds << " accepted");
  CHECK(accepted < rounds);
}

}  // namespace

TEST_CASE("damaged tokenizers end in an error or work", "[tokenizers]") {
  for (const std::string& file : tokenizer_files()) fuzz(file, 60, 1);
}

TEST_CASE("27,000 damaged tokenizers end in an error or work", "[tokenizers][slow]") {
  for (const std::string& file : tokenizer_files()) fuzz(file, 3000, 2);
}

}  // namespace retentive::models
