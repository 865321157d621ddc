#include <models/formats/detect.h>

#include <models/formats/mapped_file.h>
#include <models/formats/message.h>
#include <models/formats/signatures.h>

namespace retentive::models::formats {

std::string_view format_name(WeightsFormat format) noexcept {
  return format == WeightsFormat::safetensors ? "safetensors" : "pth";
}

WeightsFormat detect_format(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.empty()) fail_checkpoint("weights", path.string(), "is empty; get the file again");
  switch (read_signature(bytes)) {
    case Signature::safetensors:
      return WeightsFormat::safetensors;
    case Signature::zip:
    case Signature::pickle:
    case Signature::tar:
      return WeightsFormat::pth;
    case Signature::unknown:
      break;
  }
  fail_checkpoint("weights", path.string(),
                  "starts with " + first_bytes_text(bytes) +
                      ", which is no known format; accepted are safetensors files and checkpoints of torch.save");
}

}  // namespace retentive::models::formats
