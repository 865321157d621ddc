#include <formats/build.h>
#include <support/paths.h>

#include <unistd.h>

#include <fstream>
#include <iterator>

namespace retentive::models::formats::testing {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  REQUIRE(file.good());
}

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(retentive::testing::source_dir()) / "tests" / "fixtures" / name;
}

std::string safetensors_image(const std::string& header, const std::string& data) {
  return le<std::uint64_t>(header.size()) + header + data;
}

namespace {

// CRC-32 one bit at a time, sharing nothing with the library's tables.
std::uint32_t slow_crc32(const std::string& content) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : content) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
  }
  return ~crc;
}

std::string sizes_of(const ZipMember& member) {
  const auto size = static_cast<std::uint32_t>(member.content.size()) + member.size_change;
  return member.wide ? std::string(8, '\xff') : le(size) + le(size);
}

std::string wide_sizes(const ZipMember& member) {
  const std::uint64_t size = member.content.size() + member.size_change;
  return le(size) + le(size);
}

std::string common_fields(const ZipMember& member, const std::string& name, std::size_t extra) {
  return le<std::uint16_t>(20) + le(member.flags) + le(member.method) + le<std::uint32_t>(0) +
         le(slow_crc32(member.content) + member.crc_change) + sizes_of(member) +
         le(static_cast<std::uint16_t>(name.size())) + le(static_cast<std::uint16_t>(extra));
}

}  // namespace

std::string zip_image(const std::vector<ZipMember>& members, const ZipEnd& end) {
  std::string image;
  std::string directory;
  for (const ZipMember& member : members) {
    const auto offset = static_cast<std::uint32_t>(static_cast<std::int64_t>(image.size()) + member.offset_change);
    const std::string& local_name = member.local_name.empty() ? member.name : member.local_name;
    const std::string sizes = wide_sizes(member);
    const std::string local_extra = member.wide ? le<std::uint16_t>(1) + le<std::uint16_t>(16) + sizes : "";
    image += le<std::uint32_t>(0x04034b50) + common_fields(member, local_name, local_extra.size()) + local_name +
             local_extra + member.content;
    const std::string extra =
        member.wide ? le<std::uint16_t>(1) + le<std::uint16_t>(24) + sizes + le<std::uint64_t>(offset) : "";
    directory += le<std::uint32_t>(0x02014b50) + le<std::uint16_t>(20) +
                 common_fields(member, member.name, extra.size()) + std::string(10, '\0') +
                 le(member.wide ? 0xffffffffu : offset) + member.name + extra;
  }
  const std::uint64_t start = image.size();
  const auto count = static_cast<std::uint64_t>(static_cast<int>(members.size()) + end.entries_change);
  image += directory;
  const std::uint64_t wide_at = image.size();
  if (end.wide) {
    image += le<std::uint32_t>(0x06064b50) + le<std::uint64_t>(44) + std::string(4, '\0') +
             le<std::uint32_t>(end.disk) + le<std::uint32_t>(0) + le(count) + le(count) +
             le<std::uint64_t>(directory.size()) + le(start);
    image += le<std::uint32_t>(0x07064b50) + le<std::uint32_t>(0) + le(wide_at) + le<std::uint32_t>(1);
    return image + le<std::uint32_t>(0x06054b50) + std::string(4, '\0') + std::string(12, '\xff') +
           le(static_cast<std::uint16_t>(end.comment.size())) + end.comment;
  }
  return image + le<std::uint32_t>(0x06054b50) + le(end.disk) + le(end.disk) + le(static_cast<std::uint16_t>(count)) +
         le(static_cast<std::uint16_t>(count)) + le(static_cast<std::uint32_t>(directory.size())) +
         le(static_cast<std::uint32_t>(start)) + le(static_cast<std::uint16_t>(end.comment.size())) + end.comment;
}

std::string pth_image(const std::string& pickle, const std::vector<ZipMember>& more) {
  std::vector<ZipMember> members{{"x/data.pkl", pickle}, {"x/byteorder", "little"}};
  members.insert(members.end(), more.begin(), more.end());
  return zip_image(members);
}

std::string pickle_text(std::string_view text) {
  return "X" + le(static_cast<std::uint32_t>(text.size())) + std::string(text);
}

std::string pickle_ints(const std::vector<std::int32_t>& values) {
  std::string text = "(";
  for (const std::int32_t value : values) text += "J" + le(value);
  return text + "t";
}

std::string pickle_tensor(const std::string& storage_type, const std::string& key, std::int32_t storage_numel,
                          std::int32_t offset, const std::vector<std::int32_t>& shape,
                          const std::vector<std::int32_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickle_text("storage") + "ctorch\n" + storage_type + "\n" +
         pickle_text(key) + pickle_text("cuda:0") + "J" + le(storage_numel) + "tQJ" + le(offset) + pickle_ints(shape) +
         pickle_ints(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "retentive-formats-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::size_t TemporaryDirectory::files() const {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
}

}  // namespace retentive::models::formats::testing
