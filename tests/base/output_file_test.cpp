#include <retention/base/output_file.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>

#include <datasets/files.h>
#include <support/catch.h>

namespace retentive {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using testing::message_of;
using testing::TemporaryFolder;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

int64_t entries(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

std::string drained(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, count);
  ::close(fd);
  return text;
}

TEST_CASE("an output appears whole at its commit, or not at all", "[output]") {
  const TemporaryFolder folder;
  const auto path = folder / "out.txt";
  {
    OutputFile file(path, "test");
    file.write(std::string_view("lost"));
  }
  CHECK(entries(folder.path()) == 0);
  const std::string large(300'000, 'x');
  OutputFile file(path, "test");
  for (const std::string_view text : {std::string_view("a"), std::string_view(large), std::string_view("b")}) {
    file.write(text);
  }
  CHECK_FALSE(fs::exists(path));
  file.commit();
  CHECK(content(path) == "a" + large + "b");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("a link is followed and its target replaced, with the permissions it had", "[output]") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "far");
  put(folder / "far/target", "old");
  fs::permissions(folder / "far/target", fs::perms(0640));
  fs::create_symlink("far/target", folder / "near");
  fs::create_symlink("near", folder / "nearer");
  write_output(folder / "nearer", "test", "new");
  CHECK(fs::is_symlink(folder / "nearer"));
  CHECK(fs::is_symlink(folder / "near"));
  CHECK(content(folder / "far/target") == "new");
  CHECK(fs::status(folder / "far/target").permissions() == fs::perms(0640));
  CHECK(entries(folder / "far") == 1);
  CHECK(entries(folder.path()) == 3);

  fs::create_symlink("far/missing", folder / "dangling");
  write_output(folder / "dangling", "test", "made");
  CHECK(fs::is_symlink(folder / "dangling"));
  CHECK(content(folder / "far/missing") == "made");
  fs::create_symlink("loop", folder / "loop");
  CHECK_THAT(message_of<DataError>([&] { write_output(folder / "loop", "test", "x"); }), Contains("symbolic links"));
}

TEST_CASE("pipes, devices, sockets and descriptors are written to", "[output]") {
  const TemporaryFolder folder;
  SECTION("a named pipe, which must still be one afterwards") {
    const auto path = folder / "pipe";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    check_writable(path, "test");  // waits for no reader
    auto reader = std::async(std::launch::async, [&] { return drained(::open(path.c_str(), O_RDONLY)); });
    write_output(path, "test", "through");
    CHECK(reader.get() == "through");
    CHECK(fs::is_fifo(path));
  }
  SECTION("a device behind a link") {
    fs::create_symlink("/dev/null", folder / "null");
    check_writable(folder / "null", "test");
    write_output(folder / "null", "test", "gone");
    CHECK(fs::is_symlink(folder / "null"));
    CHECK(fs::is_character_file("/dev/null"));
  }
  SECTION("a socket") {
    const auto path = folder / "socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(server, 1) == 0);
    auto reader = std::async(std::launch::async, [&] { return drained(::accept(server, nullptr, nullptr)); });
    write_output(path, "test", "to a socket");
    CHECK(reader.get() == "to a socket");
    CHECK(fs::is_socket(path));
    ::close(server);
  }
  SECTION("an open descriptor keeps its place in the file") {
    const auto path = folder / "file";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    REQUIRE(::write(fd, "first ", 6) == 6);
    const auto name = "/dev/fd/" + std::to_string(fd);
    check_writable(name, "test");
    write_output(name, "test", "second");
    ::close(fd);
    CHECK(content(path) == "first second");
  }
}

TEST_CASE("a reader that has gone and a full disk are errors", "[output]") {
  const TemporaryFolder folder;
  const std::string large(300'000, 'x');
  SECTION("pipe") {
    const auto path = folder / "pipe";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const auto handler = ::signal(SIGPIPE, SIG_IGN);
    auto reader = std::async(std::launch::async, [&] {
      const int fd = ::open(path.c_str(), O_RDONLY);
      char one = 0;
      const auto count = ::read(fd, &one, 1);
      ::close(fd);
      return count;
    });
    const auto message = message_of<DataError>([&] { write_output(path, "test", large); });
    ::signal(SIGPIPE, handler);
    CHECK(reader.get() == 1);
    CHECK_THAT(message, Contains("pipe cannot be written (Broken pipe)"));
  }
  SECTION("disk") {
    put(folder / "kept", "before");
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rlimit small{4096, limit.rlim_max};
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto message = message_of<DataError>([&] { write_output(folder / "kept", "test", large); });
    const auto appended = message_of<DataError>([&] { append_output(folder / "log", "test", large); });
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    ::signal(SIGXFSZ, handler);
    CHECK_THAT(message, Contains("kept cannot be written (File too large)"));
    CHECK_THAT(appended, Contains("log cannot be written (File too large)"));
    CHECK(content(folder / "kept") == "before");
    CHECK(entries(folder.path()) == 2);
  }
}

TEST_CASE("what cannot be written is told before, and trying leaves nothing", "[output]") {
  const TemporaryFolder folder;
  put(folder / "file", "kept");
  const auto refusal = [&](const fs::path& path) {
    return message_of<DataError>([&] { check_writable(path, "test"); });
  };
  check_writable(folder / "file", "test");
  check_writable(folder / "new", "test");
  CHECK(content(folder / "file") == "kept");
  CHECK(entries(folder.path()) == 1);
  CHECK_THAT(refusal(folder.path()), Contains("Is a directory"));
  CHECK_THAT(refusal(folder / "none/a"), Contains("No such file or directory"));
  CHECK_THAT(refusal(folder / "none/"), Contains("Is a directory"));
  CHECK_THAT(refusal(folder / "file/a"), Contains("Not a directory"));
  CHECK_THAT(refusal(folder / std::string(300, 'n')), Contains("name too long"));
  fs::create_symlink("none/b", folder / "dangling");
  CHECK_THAT(refusal(folder / "dangling"), Contains("No such file or directory"));
  const int fd = ::open((folder / "file").c_str(), O_RDONLY);
  CHECK_THAT(refusal("/dev/fd/" + std::to_string(fd)), Contains("Bad file descriptor"));
  ::close(fd);
  check_writable_folder(folder / "to/be/made", "test");
  CHECK_FALSE(fs::exists(folder / "to"));
  CHECK_THAT(message_of<DataError>([&] { check_writable_folder(folder / "file/below", "test"); }),
             Contains("Not a directory"));
}

TEST_CASE("appending makes a file and adds to it", "[output]") {
  const TemporaryFolder folder;
  append_output(folder / "log", "test", "one\n");
  append_output(folder / "log", "test", "two\n");
  CHECK(content(folder / "log") == "one\ntwo\n");
}

}  // namespace
}  // namespace retentive
