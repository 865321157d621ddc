#include <models/formats/mapped_file.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <models/formats/message.h>

namespace retentive::models::formats {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  fail_checkpoint("weights", path.string(), what);
}

struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: a named pipe must be refused below instead of waiting for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, "cannot be opened (" + errno_text(errno) + "); give the path of a readable weights file");
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail(path, "cannot be examined (" + errno_text(errno) + ")");
  if (S_ISDIR(status.st_mode)) fail(path, "is a directory; give the path of one weights file in it");
  if (!S_ISREG(status.st_mode)) fail(path, "is not a regular file; copy its content to a file and give that path");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile({}));
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) fail(path, "cannot be mapped into memory (" + errno_text(errno) + ")");
  return std::shared_ptr<const MappedFile>(new MappedFile({static_cast<const std::byte*>(address), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace retentive::models::formats
