#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <datasets/files.h>
#include <datasets/video/frame_source.h>
#include <datasets/video/video_writer.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;

namespace {

using Colour = std::array<int, 3>;
constexpr Colour kRed = {220, 40, 40}, kGreen = {40, 200, 60}, kBlue = {50, 70, 210}, kYellow = {240, 230, 60};

std::string fixture(const std::string& name) { return testing::source_dir() + "/tests/fixtures/" + name; }

FrameSource open(const std::filesystem::path& path) { return FrameSource::open(path); }

/// The worst difference of the middles of the quadrants: top left, top right, bottom left, bottom right.
int worst_quadrant(const Image& image, const std::array<Colour, 4>& expected) {
  int worst = 0;
  for (int64_t q = 0; q < 4; ++q) {
    const int64_t y = image.height * (q / 2 * 2 + 1) / 4, x = image.width * (q % 2 * 2 + 1) / 4;
    for (int64_t c = 0; c < 3; ++c) {
      const int value = image.pixels[(y * image.width + x) * 3 + c];
      worst = std::max(worst, std::abs(value - expected[q][c]));
    }
  }
  return worst;
}

constexpr std::array<Colour, 4> kUpright = {kRed, kGreen, kBlue, kYellow};

std::vector<double> times_of(const std::filesystem::path& path) {
  std::vector<double> times;
  auto source = open(path);
  while (source.next()) times.push_back(source.seconds());
  return times;
}

void check_times(const std::vector<double>& times, const std::vector<double>& expected) {
  REQUIRE(times.size() == expected.size());
  for (size_t i = 0; i < times.size(); ++i) CHECK(times[i] == Approx(expected[i]).margin(1e-6));
}

/// A video of `frames` frames that are hard to compress.
void write_noise(const std::filesystem::path& path, int frames) {
  VideoWriter writer(path, 10, 64, 64);
  uint32_t state = 1;
  for (int i = 0; i < frames; ++i) {
    Image image{64, 64, 3, std::vector<uint8_t>(64 * 64 * 3)};
    for (auto& value : image.pixels) value = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    writer.write(image);
  }
  writer.close();
}

/// What a damaged video still gives: the number of frames, and the message that ends it.
std::pair<int, std::string> outcome_of(const std::filesystem::path& path) {
  int frames = 0;
  auto source = open(path);
  const auto message = message_of<DataError>([&] {
    while (source.next()) ++frames;
  });
  CHECK_FALSE(source.next());
  CHECK(source.index() == frames - 1);
  return {frames, message};
}

}  // namespace

TEST_CASE("frames are upright, whatever turn or mirror the file states", "[datasets][video]") {
  const auto bytes = testing::read_bytes(fixture("cases/video/plain.mp4"));
  // The display matrix a b 0, c d 0, 0 0 1 of the track, in fixed point: x' = a x + c y, y' = b x + d y.
  const std::string identity("\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0", 20);
  const std::string text(bytes.begin(), bytes.end());
  const auto place = text.find(identity, text.find("tkhd"));
  REQUIRE(place != std::string::npos);
  struct Case {
    std::array<int, 4> matrix;  // a b c d
    std::array<Colour, 4> shown;
  };
  const std::array<Case, 8> cases = {{
      {{1, 0, 0, 1}, kUpright},
      {{0, 1, -1, 0}, {kBlue, kRed, kYellow, kGreen}},
      {{-1, 0, 0, -1}, {kYellow, kBlue, kGreen, kRed}},
      {{0, -1, 1, 0}, {kGreen, kYellow, kRed, kBlue}},
      {{-1, 0, 0, 1}, {kGreen, kRed, kYellow, kBlue}},
      {{1, 0, 0, -1}, {kBlue, kYellow, kRed, kGreen}},
      {{0, 1, 1, 0}, {kRed, kBlue, kGreen, kYellow}},
      {{0, -1, -1, 0}, {kYellow, kGreen, kBlue, kRed}},
  }};
  const testing::TemporaryFolder folder;
  for (const auto& [matrix, shown] : cases) {
    INFO(matrix[0] << " " << matrix[1] << " " << matrix[2] << " " << matrix[3]);
    auto changed = bytes;
    const std::array<size_t, 4> offsets = {0, 4, 12, 16};
    for (size_t i = 0; i < 4; ++i) {
      const auto value = static_cast<uint32_t>(matrix[i] * 65536);
      for (size_t b = 0; b < 4; ++b) changed[place + offsets[i] + b] = static_cast<uint8_t>(value >> (24 - 8 * b));
    }
    testing::write_bytes(folder / "turned.mp4", changed);
    auto source = open(folder / "turned.mp4");
    for (int i = 0; i < 4; ++i) {
      const auto frame = source.next();
      REQUIRE(frame);
      CHECK(frame->height == (matrix[0] != 0 ? 48 : 64));
      CHECK(frame->width == (matrix[0] != 0 ? 64 : 48));
      CHECK(worst_quadrant(*frame, shown) <= 12);
    }
    CHECK(!source.next());
  }
  const auto phone = open(fixture("cases/video/turned90.mp4")).next();
  REQUIRE(phone);
  CHECK(worst_quadrant(*phone, {kBlue, kRed, kYellow, kGreen}) <= 12);
}

TEST_CASE("frames have their own size, also where it changes midway", "[datasets][video]") {
  auto source = open(fixture("cases/video/resized.webm"));
  for (int i = 0; i < 8; ++i) {
    const auto frame = source.next();
    REQUIRE(frame);
    CHECK(frame->height == (i < 4 ? 48 : 64));
    CHECK(frame->width == (i < 4 ? 64 : 96));
    CHECK(worst_quadrant(*frame, kUpright) <= 12);
  }
  CHECK(!source.next());
}

TEST_CASE("times are those of the container", "[datasets][video]") {
  check_times(times_of(fixture("cases/video/variable_rate.mkv")), {0, 0.1, 5, 5.1});
  check_times(times_of(fixture("cases/video/plain.mp4")), {0, 0.1, 0.2, 0.3});
  check_times(times_of(fixture("cases/video/fps2000.mp4")), {0, 0.0005, 0.001, 0.0015});
  CHECK(open(fixture("cases/video/fps2000.mp4")).fps().value() == Approx(2000));
}

TEST_CASE("frames come in the order in which they are shown", "[datasets][video]") {
  auto source = open(fixture("video/reordered.mp4"));
  int last = -1;
  for (int i = 0; i < 8; ++i) {
    const auto frame = source.next();
    REQUIRE(frame);
    CHECK(source.seconds() == Approx(i / 10.0).margin(1e-6));
    CHECK(frame->pixels[0] > last);
    last = frame->pixels[0];
  }
  CHECK(!source.next());
}

TEST_CASE("colours of any depth, range and matrix", "[datasets][video]") {
  const auto frame = open(fixture("video/full_range.mkv")).next();
  REQUIRE(frame);
  CHECK(worst_quadrant(*frame, kUpright) <= 5);
}

TEST_CASE("files without a video and frames beyond the limit are refused", "[datasets][video]") {
  CHECK_THAT(message_of<DataError>([] { open(fixture("video/sound.m4v")); }), Contains("holds no video"));
  const auto plain = fixture("cases/video/plain.mp4");
  CHECK_THAT(message_of<DataError>([&] { FrameSource::open(plain, {64 * 48 - 1}); }),
             Contains("48x64") && Contains("limit of 3071"));
  CHECK(FrameSource::open(plain, {64 * 48}).next());
  auto growing = FrameSource::open(fixture("cases/video/resized.webm"), {64 * 48});
  for (int i = 0; i < 4; ++i) CHECK(growing.next());
  CHECK_THAT(message_of<DataError>([&] { growing.next(); }), Contains("frame 4"));
}

TEST_CASE("only single video files are opened, never what they point to", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  const auto plain = testing::read_bytes(fixture("cases/video/plain.mp4"));
  testing::write_bytes(folder / "real.mp4", plain);
  const auto refused = [&](const std::string& text) {
    testing::write_bytes(folder / "list.mp4", std::vector<uint8_t>(text.begin(), text.end()));
    CHECK_THAT(message_of<DataError>([&] { open(folder / "list.mp4"); }), Contains("list.mp4"));
  };
  refused("ffconcat version 1.0\nfile real.mp4\n");
  refused("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n");
  // A name that looks like an address of FFmpeg's is that of a file all the same.
  testing::write_bytes(folder / "concat:a|b%d.mp4", plain);
  CHECK(open(folder / "concat:a|b%d.mp4").next());
}

TEST_CASE("damage is an error that names the frame, after the frames before it", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  for (const std::string ending : {".avi", ".mp4"}) {
    INFO(ending);
    write_noise(folder / ("whole" + ending), 10);
    const auto whole = testing::read_bytes(folder / ("whole" + ending));
    auto flipped = whole;
    const auto middle = whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * 55 / 100);
    std::fill(flipped.begin() + (middle - whole.begin()), flipped.begin() + (middle - whole.begin()) + 400, 0xff);
    testing::write_bytes(folder / ("flipped" + ending), flipped);
    const auto [frames, message] = outcome_of(folder / ("flipped" + ending));
    CHECK((frames == 4 || frames == 5));  // the container takes some of the file
    CHECK_THAT(message, Contains("flipped" + ending) && Contains("damaged at frame " + std::to_string(frames)) &&
                            Contains("ffmpeg -i"));
  }
  auto cut = testing::read_bytes(folder / "whole.avi");
  cut.resize(cut.size() * 3 / 4);
  testing::write_bytes(folder / "cut.avi", cut);
  const auto [frames, message] = outcome_of(folder / "cut.avi");
  CHECK(frames == 7);
  CHECK_THAT(message, Contains("cut.avi is damaged at frame " + std::to_string(frames)));
  auto short_mkv = testing::read_bytes(fixture("cases/video/variable_rate.mkv"));
  short_mkv.resize(short_mkv.size() * 3 / 4);
  testing::write_bytes(folder / "cut.mkv", short_mkv);
  const auto [mkv_frames, mkv_message] = outcome_of(folder / "cut.mkv");
  CHECK(mkv_frames == 2);
  CHECK_THAT(mkv_message, Contains("cut.mkv is damaged at frame " + std::to_string(mkv_frames)));
}

TEST_CASE("names of videos by their ending", "[datasets][video]") {
  for (const char* name : {"a.mp4", "A.MP4", "b.Mov", "x/c.webm", "d.mpeg", "e.3gp"}) CHECK(has_video_extension(name));
  for (const char* name : {"a.png", "mp4", ".mp4", "a.mp4.txt", "a"}) CHECK_FALSE(has_video_extension(name));
}

}  // namespace retentive::datasets
