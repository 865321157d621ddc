#include <models/model_folder.h>

#include <algorithm>
#include <iterator>
#include <set>

#include <models/config_json.h>
#include <models/detail/end_of_text.h>
#include <models/detail/weights_file.h>
#include <models/language_keys.h>
#include <models/tokenizers/tokenizer.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kWholeFiles = {"model.safetensors", "pytorch_model.bin"};
constexpr std::array<const char*, 2> kIndexFiles = {"model.safetensors.index.json", "pytorch_model.bin.index.json"};
constexpr std::array<const char*, 2> kTokenizers = {"tokenizer.json", "tokenizer.model"};

template <size_t N>
fs::path first_there(const fs::path& folder, const std::array<const char*, N>& names) {
  for (const char* name : names) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return {};
}

// The files of an index, each once. Names stay within the folder.
std::set<std::string> shard_names(const fs::path& index) {
  const auto where = index.string();
  const auto json = parse_json(read_config_text(where), where);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object() || map->empty()) {
    throw CheckpointError("[" + where + "] has no \"weight_map\" of tensor names to files; download the index again");
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    const auto name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || fs::path(name).filename() != name) {
      throw CheckpointError("[" + where + "] places " + tensor + " in " + file.dump() +
                            "; the name of a file in the same folder is accepted");
    }
    names.insert(name);
  }
  return names;
}

Checkpoint read_shards(const fs::path& index) {
  Checkpoint whole;
  std::set<std::string> seen;
  for (const auto& name : shard_names(index)) {
    const auto path = index.parent_path() / name;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
      throw CheckpointError("[" + index.string() + "] lists " + name + ", which is not there; download all shards");
    }
    auto shard = detail::read_shard(path);
    for (auto& entry : shard.tensors) {
      if (!seen.insert(entry.name).second) {
        throw CheckpointError("[" + path.string() + "] holds " + entry.name + ", and another shard does too");
      }
    }
    std::move(shard.tensors.begin(), shard.tensors.end(), std::back_inserter(whole.tensors));
    std::move(shard.skipped.begin(), shard.skipped.end(), std::back_inserter(whole.skipped));
    std::move(shard.warnings.begin(), shard.warnings.end(), std::back_inserter(whole.warnings));
    whole.format = shard.format;
  }
  whole.path = index.string();
  detail::join_shards(whole);
  return whole;
}

Checkpoint read_weights(const fs::path& folder) {
  if (const auto index = first_there(folder, kIndexFiles); !index.empty()) return read_shards(index);
  if (const auto file = first_there(folder, kWholeFiles); !file.empty()) return detail::read_weights_file(file);
  throw CheckpointError("[" + folder.string() +
                        "] holds no weights; model.safetensors, pytorch_model.bin or an index of shards "
                        "(model.safetensors.index.json, pytorch_model.bin.index.json) is accepted");
}

}  // namespace

Checkpoint read_model_folder(const fs::path& folder) {
  const auto config = folder / "config.json";
  std::error_code ignored;
  if (!fs::is_regular_file(config, ignored)) {
    throw CheckpointError("[" + folder.string() +
                          "] is a folder without config.json; give a weights file, or a folder " +
                          "with config.json and weights");
  }
  auto checkpoint = read_weights(folder);
  checkpoint.path = folder.string();
  to_native_keys(checkpoint.tensors, checkpoint.path);
  const auto language = parse_upstream_config(read_config_text(config.string()), config.string());
  checkpoint.card.config = language;
  std::unique_ptr<Tokenizer> words;
  if (const auto tokenizer = first_there(folder, kTokenizers); !tokenizer.empty()) {
    try {
      words = load_tokenizer(tokenizer.string());
      checkpoint.card.tokenizer = words->serialize();
    } catch (const Unsupported& error) {
      checkpoint.warnings.push_back(std::string("the tokenizer is left out: ") + error.what());
    }
  } else {
    checkpoint.warnings.push_back("there is no tokenizer.json or tokenizer.model: name one when generating");
  }
  checkpoint.card.eos_ids = detail::end_of_text_ids(folder, words.get(), language.vocab_size, checkpoint.warnings);
  return checkpoint;
}

std::vector<fs::path> model_files(const fs::path& path) {
  if (path.empty()) return {};
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return {path};
  std::vector<fs::path> files = {path / "config.json", path / "generation_config.json"};
  for (const auto& names : {kWholeFiles, kIndexFiles, kTokenizers}) {
    for (const char* name : names) files.push_back(path / name);
  }
  if (const auto index = first_there(path, kIndexFiles); !index.empty()) {
    for (const auto& name : shard_names(index)) files.push_back(path / name);
  }
  return files;
}

}  // namespace retentive::models
