#include <models/formats/zip.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include <models/formats/crc32.h>
#include <models/formats/mapped_file.h>
#include <models/formats/message.h>
#include <models/formats/zip_records.h>
#include <retention/base/error.h>

namespace retentive::models::formats {

struct ZipArchive::Verified {
  std::mutex mutex;
  std::vector<bool> entries;
};

ZipArchive ZipArchive::open(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  ZipArchive archive = from_bytes(file->bytes(), path.string());
  archive.owner_ = file;
  return archive;
}

ZipArchive ZipArchive::from_bytes(std::span<const std::byte> bytes, std::string name) {
  ZipArchive archive;
  archive.name_ = std::move(name);
  archive.bytes_ = bytes;
  archive.load_directory();
  archive.verified_ = std::make_shared<Verified>();
  archive.verified_->entries.resize(archive.entries_.size());
  return archive;
}

void ZipArchive::load_directory() {
  const ZipDirectory directory = read_end_of_directory(bytes_, name_);
  std::uint64_t position = directory.offset;
  while (position < directory.offset + directory.size) {
    ZipEntry entry = read_directory_entry(bytes_, directory, position, name_);
    if (!index_.emplace(entry.name, entries_.size()).second) {
      fail_checkpoint("zip", name_, "has two members named " + in_quotes(entry.name) + "; names must be unique");
    }
    entries_.push_back(std::move(entry));
  }
  if (entries_.size() != directory.entries) {
    fail_checkpoint("zip", name_,
                    "the directory lists " + std::to_string(entries_.size()) + " members but its end says " +
                        std::to_string(directory.entries) + "; the archive is damaged, get it again");
  }
  std::vector<const ZipEntry*> by_offset;
  for (const ZipEntry& entry : entries_) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(),
            [](const ZipEntry* a, const ZipEntry* b) { return a->header_offset < b->header_offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    if (by_offset[i - 1]->data_offset + by_offset[i - 1]->stored_size > by_offset[i]->header_offset) {
      fail_checkpoint("zip", name_,
                      "members " + in_quotes(by_offset[i - 1]->name) + " and " + in_quotes(by_offset[i]->name) +
                          " overlap; the archive is damaged, get it again");
    }
  }
  has_checksums_ =
      std::any_of(entries_.begin(), entries_.end(), [](const ZipEntry& entry) { return entry.crc32 != 0; });
}

const ZipEntry* ZipArchive::find(std::string_view entry_name) const noexcept {
  const auto found = index_.find(entry_name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

void ZipArchive::require_stored(const ZipEntry& entry) const {
  if (entry.method == 0) return;
  fail_checkpoint("zip", name_,
                  "member " + in_quotes(entry.name) + " is compressed (method " + std::to_string(entry.method) +
                      "); torch.save stores members uncompressed; pack the archive again with 'zip -0'");
}

std::span<const std::byte> ZipArchive::read(const ZipEntry& entry) const {
  if (find(entry.name) != &entry) {
    throw InvalidArgument("[zip] " + name_ + ": the entry " + in_quotes(entry.name) +
                          " is not one of this archive; pass a reference from entries() or find()");
  }
  require_stored(entry);
  const auto content = bytes_.subspan(entry.data_offset, entry.size);
  if (!has_checksums_) return content;
  const auto index = static_cast<std::size_t>(&entry - entries_.data());
  const std::scoped_lock lock(verified_->mutex);
  if (!verified_->entries[index]) {
    const std::uint32_t actual = crc32(content);
    if (actual != entry.crc32) {
      fail_checkpoint("zip", name_,
                      "member " + in_quotes(entry.name) + " has CRC-32 " + std::to_string(actual) +
                          " but the directory says " + std::to_string(entry.crc32) +
                          "; the file is damaged, get it again");
    }
    verified_->entries[index] = true;
  }
  return content;
}

}  // namespace retentive::models::formats
