#include <models/tensor_checksum.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <sstream>
#include <vector>

#include <models/sha256.h>

namespace retentive::models {

std::string tensor_checksum(const NamedTensors& tensors, const std::string& header) {
  std::vector<std::string> lines = {header};  // sorted: a file has its own order
  for (const auto& [name, tensor] : tensors) {
    const auto values = tensor.contiguous();
    std::ostringstream line;
    line << name << " " << tensor.dtype().name() << " " << tensor.sizes() << " "
         << sha256_hex({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()}) << "\n";
    lines.push_back(line.str());
  }
  std::sort(lines.begin(), lines.end());
  const std::string text = std::accumulate(lines.begin(), lines.end(), std::string());
  return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace retentive::models
