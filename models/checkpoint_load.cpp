#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include <models/checkpoint.h>
#include <models/detail/rounded_buffers.h>
#include <models/formats/tensor.h>
#include <models/tensor_io.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr std::size_t kListed = 20;  // longer lists are cut: a wrong architecture differs in hundreds of names

using Index = std::map<std::string_view, const torch::Tensor*>;

Index index_of(const NamedTensors& tensors) {
  Index index;
  for (const auto& [name, tensor] : tensors) index.emplace(name, &tensor);
  return index;
}

bool is_counter(std::string_view name) { return name.ends_with("num_batches_tracked"); }

bool fits(const torch::Tensor& model, const torch::Tensor& file) {
  return model.sizes() == file.sizes() && model.is_floating_point() == file.is_floating_point() && !file.is_complex();
}

std::string describe(const torch::Tensor& tensor) {
  const auto sizes = tensor.sizes();
  return std::string(formats::dtype_name(file_dtype(tensor.scalar_type()))) + " " +
         formats::shape_text({sizes.data(), sizes.size()});
}

// Files of tied models may hold the table under both names.
bool repeats_embedding(const std::string& name, const torch::Tensor& tensor, const Index& file) {
  const auto table = file.find("embed_tokens.weight");
  return name == "output_projection.weight" && table != file.end() && table->second->sizes() == tensor.sizes() &&
         table->second->equal(tensor);
}

void print_list(std::ostringstream& out, const char* title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  out << title << " (" << lines.size() << "):\n";
  for (std::size_t i = 0; i < std::min(lines.size(), kListed); ++i) out << "  " << lines[i] << "\n";
  if (lines.size() > kListed) out << "  ... and " << lines.size() - kListed << " more\n";
}

}  // namespace

std::string LoadReport::diff() const {
  if (complete()) return {};
  std::ostringstream out;
  print_list(out, "missing: in the model, not in the file", missing);
  print_list(out, "unexpected: in the file, not in the model", unexpected);
  std::vector<std::string> lines;
  for (const auto& entry : reshaped) lines.push_back(entry.name + ": model " + entry.model + ", file " + entry.file);
  print_list(out, "reshaped: different in model and file", lines);
  print_list(out, "skipped: in the file, of a kind that is not read; convert them to float32", skipped);
  return out.str();
}

LoadReport match_state(const torch::nn::Module& module, const Checkpoint& checkpoint) {
  const auto& tensors = checkpoint.tensors;
  const Index file = index_of(tensors);
  LoadReport report;
  for (const auto& [name, type] : checkpoint.skipped) report.skipped.push_back(name + " " + type);
  std::set<std::string> known;
  for (const auto& [name, tensor] : state_dict(module)) {
    known.insert(name);
    const auto found = file.find(name);
    if (found == file.end()) {
      if (!is_counter(name)) report.missing.push_back(name);
    } else if (fits(tensor, *found->second)) {
      report.loaded.push_back(name);
    } else {
      report.reshaped.push_back({name, describe(tensor), describe(*found->second)});
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (known.contains(name)) continue;
    if (name.starts_with("aux_head.")) {
      report.warnings.push_back(name + " " + describe(tensor) + " is left out: the model has no such auxiliary head");
    } else if (!repeats_embedding(name, tensor, file)) {
      report.unexpected.push_back(name);
    }
  }
  return report;
}

void require_complete(const LoadReport& report, const std::string& path) {
  if (report.complete()) return;
  throw CheckpointError("[" + path + "] does not fit the model: " + std::to_string(report.missing.size()) +
                        " missing, " + std::to_string(report.unexpected.size()) + " unexpected, " +
                        std::to_string(report.reshaped.size()) + " reshaped tensors; name the model that the file " +
                        "was saved from or give its configuration; `retentive convert --no-strict` keeps what fits\n" +
                        report.diff());
}

LoadReport load_state(torch::nn::Module& module, const Checkpoint& checkpoint, const LoadOptions& options) {
  LoadReport report = match_state(module, checkpoint);
  if (options.strict) require_complete(report, checkpoint.path);
  const Index file = index_of(checkpoint.tensors);
  const std::set<std::string> loaded(report.loaded.begin(), report.loaded.end());
  const torch::NoGradGuard no_grad;
  std::vector<std::string> rounded;
  for (const auto& [name, tensor] : state_dict(module)) {
    if (loaded.contains(name) && detail::is_rounded_formula(name, *file.at(name), tensor)) {
      rounded.push_back(name);
    } else if (loaded.contains(name)) {
      tensor.copy_(*file.at(name));
    } else if (is_counter(name)) {
      tensor.zero_();
    }
  }
  if (!rounded.empty()) {
    report.warnings.push_back(std::to_string(rounded.size()) + " tensors of angles and decays, the first is " +
                              rounded.front() + ", were rounded with the file; they are computed anew");
  }
  return report;
}

}  // namespace retentive::models
