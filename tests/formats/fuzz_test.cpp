#include <random>

#include <formats/build.h>
#include <models/formats/pickle.h>
#include <models/formats/pth.h>
#include <models/formats/safetensors.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::fixture;
using testing::read_file;

struct Target {
  const char* name;
  std::vector<std::string> seeds;
  void (*read)(const std::string& image);
};

// What a reader makes of a damaged file must still be safe to look at to the last byte.
std::size_t touch(std::span<const std::byte> bytes) {
  std::size_t sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<std::size_t>(byte);
  return sum;
}

void touch_tensors(const PthFile& file, const PickleValue& value) {
  if (value.is(PickleValue::Kind::tensor)) {
    const PickleTensor& tensor = value.as_tensor();
    if (byte_size(tensor.dtype, tensor.shape) < std::uint64_t{1} << 24) touch(file.contiguous(tensor, "t").view.bytes);
  } else if (value.is(PickleValue::Kind::dict)) {
    for (const PickleEntry& entry : value.entries()) touch_tensors(file, entry.value);
  }
}

void read_safetensors(const std::string& image) {
  const SafetensorsFile file = SafetensorsFile::from_bytes(as_bytes(image), "fuzz");
  for (const TensorView& tensor : file.tensors()) touch(tensor.bytes);
}

void read_pth(const std::string& image) {
  const PthFile file = PthFile::from_bytes(as_bytes(image), "fuzz");
  touch_tensors(file, file.root());
}

void read_pickle(const std::string& image) { load_pickle(as_bytes(image), "fuzz"); }

// A checkpoint around a damaged pickle with right checksums, so that damage reaches the checks of tensors.
void read_repacked(const std::string& pickle) {
  const std::string data(96, 'd');
  read_pth(testing::pth_image(pickle, {{"x/data/0", data}, {"x/data/1", "1234"}, {"x/data/2", std::string(48, 'e')}}));
}

std::string pickle_of(const std::string& name) {
  const ZipArchive archive = ZipArchive::open(fixture("formats/" + name + ".pth"));
  return testing::text_of(archive.read(*archive.find(name + "/data.pkl")));
}

std::vector<Target> targets() {
  const std::string small = testing::safetensors_image(
      "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}",
      "0123456789");
  const std::vector<std::string> pickles{pickle_of("views"), pickle_of("views_protocol4"),
                                         read_file(fixture("formats/numpy_protocol2.pkl")),
                                         read_file(fixture("formats/numpy_protocol4.pkl"))};
  return {{"safetensors", {small}, read_safetensors},
          {"pth", {read_file(fixture("formats/no_checksums.pth")), read_file(fixture("formats/views.pth"))}, read_pth},
          {"pickle", pickles, read_pickle},
          {"repacked", pickles, read_repacked}};
}

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutate(std::string image) {
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes && !image.empty(); ++i) change(image);
    return image;
  }
  std::size_t below(std::size_t limit) { return random_() % limit; }

 private:
  void change(std::string& image) {
    const std::size_t at = below(image.size());
    switch (below(6)) {
      case 0:
        image[at] = static_cast<char>(image[at] ^ 1 << below(8));
        break;
      case 1:
        image[at] = static_cast<char>(below(256));
        break;
      case 2:
        image.erase(at, 1 + below(8));
        break;
      case 3:
        image.insert(at, image.substr(below(image.size()), 1 + below(16)));
        break;
      case 4:
        for (std::size_t i = at; i < std::min(image.size(), at + 8); ++i) image[i] = below(2) == 0 ? '\xff' : '\0';
        break;
      default:
        image.replace(at, 1, std::string(1, kInteresting[below(sizeof(kInteresting) - 1)]));
    }
  }

  static constexpr char kInteresting[] =
      "\x80.()(}]taesudRQbcXKJM\x81\x85\x86\x87\x88\x8a\x8b\x93\x94\x95qrhj0N{}[],:\"-.e9";
  std::mt19937 random_;
};

// Any outcome but success or an error of the library fails.
void fuzz(std::size_t rounds, unsigned seed) {
  Mutator mutator(seed);
  for (const Target& target : targets()) {
    std::size_t accepted = 0;
    for (std::size_t round = 0; round < rounds; ++round) {
      const std::string image = mutator.mutate(target.seeds[mutator.below(target.seeds.size())]);
      try {
        target.read(image);
        ++accepted;
      } catch (const Error& error) {
        if (std::string(error.what()).find("fuzz") == std::string::npos) FAIL(target.name << ": " << error.what());
      } catch (const std::exception& error) {
        FAIL(target.name << " round " << round << ": " << error.what());
      }
    }
    INFO(target.name << ": " << accepted << " of " << rounds << " accepted");
    CHECK(accepted < rounds);
    CHECK(accepted > 0);
  }
}

}  // namespace

TEST_CASE("damaged files end in an error or a value", "[formats]") {
  for (const Target& target : targets()) {
    for (const std::string& seed : target.seeds) {
      INFO(target.name);
      if (target.read != read_repacked) CHECK_NOTHROW(target.read(seed));
    }
  }
  fuzz(1000, 1);
}

TEST_CASE("100,000 damaged files end in an error or a value", "[formats][slow]") {
  for (unsigned seed = 2; seed < 7; ++seed) fuzz(5000, seed);
}

}  // namespace retentive::models::formats
