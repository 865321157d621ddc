#include <models/model_hash.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <vector>

#include <models/config.h>
#include <models/sha256.h>
#include <models/state_dict.h>

namespace retentive::models {
namespace {

// Blocks of 64 bytes at even distances, first and last included.
std::vector<std::byte> sample(const torch::Tensor& tensor) {
  constexpr size_t kBlock = 64, kBlocks = 1024;
  const auto values = tensor.contiguous();
  const auto* bytes = static_cast<const std::byte*>(values.const_data_ptr());
  const size_t size = values.nbytes();
  if (size <= kBlock * kBlocks) return {bytes, bytes + size};
  std::vector<std::byte> sampled(kBlock * kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) {
    std::memcpy(sampled.data() + i * kBlock, bytes + (size - kBlock) * i / (kBlocks - 1), kBlock);
  }
  return sampled;
}

std::string hash_of(const ModelConfig& config, const torch::nn::Module& model) {
  std::ostringstream list;
  list << model_config_json(config) << "\n";
  for (const auto& [name, tensor] : state_dict(model)) {
    list << name << " " << tensor.dtype().name() << " " << tensor.sizes() << " " << sha256_hex(sample(tensor)) << "\n";
  }
  const std::string text = list.str();
  return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace

std::string model_hash(const RetnetImpl& model) {
  auto config = model.config();
  config.chunk_size = RetnetConfig{}.chunk_size;
  config.dropout = config.drop_path_rate = 0;
  return hash_of(config, model);
}

std::string model_hash(const vision::VirImpl& model) {
  auto config = model.config();
  config.drop_path_rate = 0;
  return hash_of(config, model);
}

}  // namespace retentive::models
