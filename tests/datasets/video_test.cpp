#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstdlib>

#include <opencv2/videoio.hpp>

#include <datasets/files.h>
#include <datasets/video/frame_source.h>
#include <datasets/video/video_writer.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;

namespace {

/// A flat colour [R, G, B] that tells frames apart.
std::array<int, 3> colour_of(int frame) { return {20 * frame, 200, 250 - 20 * frame}; }

Image flat(int64_t height, int64_t width, int frame) {
  Image image{height, width, 3, std::vector<uint8_t>(height * width * 3)};
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(colour_of(frame)[i % 3]);
  return image;
}

int worst_difference(const Image& image, int frame) {
  int worst = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    worst = std::max(worst, std::abs(image.pixels[i] - colour_of(frame)[i % 3]));
  }
  return worst;
}

}  // namespace

TEST_CASE("frames of a file come in order, as RGB", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  const auto path = folder / "made.avi";
  {
    cv::VideoWriter writer(path.string(), cv::CAP_OPENCV_MJPEG, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 12,
                           {48, 32});
    REQUIRE(writer.isOpened());
    for (int i = 0; i < 7; ++i) {
      const auto colour = colour_of(i);
      writer.write(cv::Mat(32, 48, CV_8UC3, cv::Scalar(colour[2], colour[1], colour[0])));
    }
  }
  FrameSource source = FrameSource::open(path);
  CHECK(source.index() == -1);
  CHECK(source.seconds() == 0);
  REQUIRE(source.fps());
  CHECK(*source.fps() == Approx(12));
  REQUIRE(source.frame_count());
  CHECK(*source.frame_count() == 7);
  for (int i = 0; i < 7; ++i) {
    const auto frame = source.next();
    REQUIRE(frame);
    CHECK(frame->height == 32);
    CHECK(frame->width == 48);
    CHECK(frame->channels == 3);
    CHECK(worst_difference(*frame, i) <= 12);
    CHECK(source.index() == i);
    CHECK(source.seconds() == Approx(i / 12.0));
  }
  CHECK(!source.next());
  CHECK(!source.next());
  CHECK(source.index() == 6);
  FrameSource moved = std::move(source);
  CHECK(!moved.next());
}

TEST_CASE("written videos read back, odd sides with a doubled edge", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  for (const char* name : {"out.avi", "OUT.MP4"}) {
    INFO(name);
    VideoWriter writer(folder / name, 12.5, 45, 63);
    for (int i = 0; i < 5; ++i) writer.write(flat(45, 63, i));
    CHECK_THAT(message_of<InvalidArgument>([&] { writer.write(flat(46, 63, 0)); }), Contains("46x63"));
    writer.close();
    writer.close();
    CHECK_THAT(message_of<StateError>([&] { writer.write(flat(45, 63, 0)); }), Contains("is closed"));
    FrameSource source = FrameSource::open(folder / name);
    CHECK(*source.fps() == Approx(12.5));
    for (int i = 0; i < 5; ++i) {
      const auto frame = source.next();
      REQUIRE(frame);
      CHECK(frame->height == 46);
      CHECK(frame->width == 64);
      INFO("frame " << i);
      CHECK(worst_difference(*frame, i) <= 16);
    }
    CHECK(!source.next());
  }
  VideoWriter grey(folder / "grey.avi", 10, 8, 8);
  grey.write({8, 8, 1, std::vector<uint8_t>(64, 90)});
  grey.close();
  const auto frame = FrameSource::open(folder / "grey.avi").next();
  REQUIRE(frame);
  CHECK(std::abs(frame->pixels[0] - 90) <= 3);
}

TEST_CASE("videos that cannot be opened are refused with the way out", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  const auto refusal = [](const auto& what) { return message_of<DataError>([&] { FrameSource::open(what); }); };
  CHECK_THAT(refusal(folder / "none.avi"), Contains("none.avi is not a file"));
  CHECK_THAT(refusal(folder.path()), Contains("is not a file"));
  testing::write_bytes(folder / "text.mp4", {'n', 'o', ' ', 'v', 'i', 'd', 'e', 'o'});
  CHECK_THAT(refusal(folder / "text.mp4"), Contains("text.mp4") && Contains("ffmpeg -i"));
  testing::write_bytes(folder / "empty.avi", {});
  CHECK_THAT(refusal(folder / "empty.avi"), Contains("empty.avi"));
  CHECK_THAT(refusal(987), Contains("camera 987") && Contains("/dev/video987"));
  CHECK_THAT(message_of<InvalidArgument>([] { FrameSource::open(-1); }), Contains("camera is -1"));
}

TEST_CASE("written frames keep their times", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  for (const char* name : {"times.avi", "times.mp4"}) {
    INFO(name);
    VideoWriter writer(folder / name, 10, 32, 32);
    // From any beginning; rounded to steps; two in one step, or backwards, are two steps; a very long rest is cut
    // short.
    for (const double seconds : {7.0, 7.1, 9.04, 9.02, 8.0, 10.0, 1e9}) writer.write(flat(32, 32, 0), seconds);
    writer.close();
    auto source = FrameSource::open(folder / name);
    for (const double expected : {0.0, 0.1, 2.0, 2.1, 2.2, 3.0, 3603.0}) {
      REQUIRE(source.next());
      CHECK(source.seconds() == Approx(expected).margin(1e-6));
    }
    CHECK(!source.next());
  }
}

TEST_CASE("a full disk is an error, in the frames or at the end", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  for (const char* name : {"full.avi", "full.mp4"}) {
    for (const int frames : {1, 400}) {
      INFO(name << " " << frames);
      const auto message = message_of<DataError>([&] {
        VideoWriter writer(folder / name, 10, 64, 64);
        rlimit small = before;
        small.rlim_cur = frames == 1 ? 64 : 20'000;
        setrlimit(RLIMIT_FSIZE, &small);
        for (int i = 0; i < frames; ++i) writer.write(flat(64, 64, i % 10));
        writer.close();
      });
      setrlimit(RLIMIT_FSIZE, &before);
      CHECK_THAT(message, Contains(name) && Contains("cannot be written (File too large)"));
    }
  }
  std::signal(SIGXFSZ, previous_handler);
}

TEST_CASE("video writer arguments are checked", "[datasets][video]") {
  const testing::TemporaryFolder folder;
  const auto refusal = [&](const std::string& name, double fps, int64_t height, int64_t width) {
    return message_of<Error>([&] { VideoWriter(folder / name, fps, height, width); });
  };
  CHECK_THAT(refusal("a.mkv", 10, 4, 4), Contains("\".mkv\"") && Contains(".avi and .mp4"));
  CHECK_THAT(refusal("a.avi", 0, 4, 4), Contains("fps is 0"));
  CHECK_THAT(refusal("a.avi", std::nan(""), 4, 4), Contains("fps is nan"));
  CHECK_THAT(refusal("a.avi", 10, 0, 4), Contains("0x4"));
  CHECK_THAT(refusal("a.avi", 10, 4, 20000), Contains("4x20000"));
  CHECK_THAT(refusal("none/a.avi", 10, 4, 4), Contains("none/a.avi cannot be made"));
  CHECK_THAT(refusal("none/a.mp4", 10, 4, 4), Contains("none/a.mp4 cannot be made"));
}

}  // namespace retentive::datasets
