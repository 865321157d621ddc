#include <models/vir_state.h>

#include <utility>

#include <models/state_file.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr const char* kImage = "image";  // height, width, position
constexpr const char* kPooled = "pooled";

}  // namespace

void save_vir_state(const std::filesystem::path& path, const vision::VirState& state, const std::string& model_hash) {
  StateFile file;
  file.layers = state.blocks;
  file.tensors = {{kImage, torch::tensor({state.height, state.width, state.position}, at::kLong)}};
  if (state.pooled.defined()) file.tensors.push_back({kPooled, state.pooled.contiguous()});
  file.save(path, model_hash);
}

vision::VirState load_vir_state(const std::filesystem::path& path, const std::string& model_hash) {
  auto file = StateFile::load(path, model_hash);
  const auto image = file.integers(kImage);
  if (image.size() != 3) {
    throw CheckpointError("[" + path.string() + "] \"image\" has " + std::to_string(image.size()) +
                          " values instead of height, width and position; write the state again");
  }
  vision::VirState state{
      .blocks = std::move(file.layers), .height = image[0], .width = image[1], .position = image[2], .pooled = {}};
  if (const auto* pooled = find_tensor(file.tensors, kPooled)) state.pooled = *pooled;
  return state;
}

}  // namespace retentive::models
