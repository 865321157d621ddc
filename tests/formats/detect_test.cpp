#include <models/formats/detect.h>

#include <sys/stat.h>

#include <formats/build.h>
#include <models/formats/pth.h>

namespace retentive::models::formats {

using testing::error_of;
using testing::fixture;
using testing::TemporaryDirectory;
using testing::write_file;

TEST_CASE("the format is told by content, not by name", "[formats]") {
  const TemporaryDirectory directory;
  const auto detect = [&](const std::string& content) {
    write_file(directory / "weights.safetensors", content);
    return detect_format(directory / "weights.safetensors");
  };
  CHECK(detect_format(fixture("rmt/ckpt_minimal.pth")) == WeightsFormat::pth);
  CHECK(detect_format(fixture("rmt/ckpt_minimal.safetensors")) == WeightsFormat::safetensors);
  CHECK(detect_format(fixture("formats/legacy.pth")) == WeightsFormat::pth);
  CHECK(detect(testing::zip_image({{"a", "b"}})) == WeightsFormat::pth);
  CHECK(detect(std::string(257, 'n') + "ustar") == WeightsFormat::pth);
  CHECK(detect(testing::safetensors_image("{}", "")) == WeightsFormat::safetensors);
  std::string header = "{}";
  header.resize(0x280, ' ');
  CHECK(detect(testing::safetensors_image(header, "")) == WeightsFormat::safetensors);
  CHECK(format_name(WeightsFormat::pth) == "pth");
}

TEST_CASE("what is no weights file is refused with what it is", "[formats]") {
  const TemporaryDirectory directory;
  const auto error = [&](const std::string& name) {
    const std::string message = error_of<CheckpointError>([&] { detect_format(directory / name); });
    CHECK_THAT(message, Catch::Contains((directory / name).string()));
    return message;
  };
  CHECK_THAT(error("absent"), Catch::Contains("No such file or directory"));
  CHECK_THAT(error_of<CheckpointError>([&] { PthFile::open(directory / "absent"); }), Catch::Contains("No such file"));
  std::filesystem::create_directory(directory / "folder");
  CHECK_THAT(error("folder"), Catch::Contains("is a directory"));
  REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(error("pipe"), Catch::Contains("is not a regular file"));
  write_file(directory / "empty", "");
  CHECK_THAT(error("empty"), Catch::Contains("is empty"));
  write_file(directory / "page", "<html>\n");
  CHECK_THAT(error("page"), Catch::Contains("starts with '<html>\\x0a' (3c 68 74 6d 6c 3e 0a)"));
  write_file(directory / "short", "x");
  CHECK_THAT(error("short"), Catch::Contains("starts with 'x' (78)"));
}

}  // namespace retentive::models::formats
