#include <cstring>
#include <fstream>
#include <string>

#include <models/checkpoint.h>
#include <models/convert.h>
#include <models/registry.h>
#include <models/retnet.h>
#include <models/tensor_io.h>
#include <models/test_files.h>
#include <models/wrapper_keys.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <support/tensors.h>
#include <nlohmann/json.hpp>

namespace retentive::models {
namespace {

using Catch::Matchers::Contains;
using testing::message_of;
using testing::TemporaryFolder;

std::string language_case(const std::string& name) {
  return testing::source_dir() + "/tests/fixtures/cases/language/" + name;
}

std::string read_text(const std::string& path) { return testing::read_text(path); }

ModelConfig plain_config() { return parse_model_config(read_text(language_case("ours.json")), "ours.json"); }

torch::Tensor logits_of(const LoadedModel& loaded, const torch::Tensor& tokens) {
  const torch::NoGradGuard no_grad;
  return as_language_model(loaded.model, "test")->forward(tokens, nullptr, {.form = Form::parallel});
}

torch::Tensor case_tensor(const std::string& file, const std::string& name) {
  return find_tensor(read_tensors(language_case(file)).tensors, name)->clone();
}

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

NamedTensors ones(const std::vector<std::string>& names) {
  NamedTensors tensors;
  for (const auto& name : names) tensors.push_back({name, torch::ones(1)});
  return tensors;
}

std::vector<std::string> stripped(const std::vector<std::string>& names) {
  auto tensors = ones(names);
  std::vector<std::string> warnings, result;
  strip_wrappers(tensors, "x.pth", warnings);
  for (const auto& entry : tensors) result.push_back(entry.name);
  return result;
}

struct Foreign {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  size_t bytes;
};

// The file of `tensors` with raw tensors of other types added, in place of those of the same name.
void write_with_foreign(const std::string& path, NamedTensors tensors, const std::vector<Foreign>& added) {
  nlohmann::ordered_json header;
  std::string data;
  const auto add = [&](const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
                       const std::string& bytes) {
    header[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data += bytes;
  };
  for (const auto& foreign : added) {
    std::erase_if(tensors, [&](const NamedTensor& entry) { return entry.name == foreign.name; });
    add(foreign.name, foreign.dtype, foreign.shape, std::string(foreign.bytes, '\0'));
  }
  for (const auto& [name, tensor] : tensors) {
    const auto values = tensor.detach().contiguous();
    add(name, values.scalar_type() == torch::kLong ? "I64" : "F32", values.sizes().vec(),
        {static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text << data;
}

}  // namespace

TEST_CASE("keys of a compiled model give the logits of the plain one", "[loading]") {
  const auto checkpoint = read_checkpoint(language_case("compiled.pth"));
  CHECK_THAT(all_of(checkpoint.warnings), Contains("_orig_mod.") && Contains("names"));
  const auto loaded = load_model(checkpoint, {.config = plain_config()});
  CHECK_THAT(all_of(loaded.report.warnings), Contains("_orig_mod."));
  const auto expected = case_tensor("plain.want.safetensors", "logits");
  CHECK(testing::deviation(logits_of(loaded, case_tensor("tokens.safetensors", "tokens")), expected) < 1e-5);
}

TEST_CASE("a tied model whose file names only its head loads", "[loading]") {
  const TemporaryFolder folder;
  const auto loaded = load_model(language_case("tied_only_head"));
  const auto tokens = torch::arange(9).view({1, 9});
  const auto expected = logits_of(loaded, tokens);
  const auto& table = *find_tensor(state_dict(*loaded.model), "embed_tokens.weight");
  const auto file = read_tensors(language_case("tied_only_head/model.safetensors"));
  CHECK(table.equal(*find_tensor(file.tensors, "lm_head.weight")));

  convert(language_case("tied_only_head"), folder / "tied.safetensors");
  CHECK(logits_of(load_model(folder / "tied.safetensors"), tokens).equal(expected));

  // The same without the note in the metadata, and wrapped.
  std::filesystem::create_directories(folder / "bare");
  std::filesystem::copy_file(language_case("tied_only_head/config.json"), folder / "bare/config.json");
  write_tensors(folder / "bare/model.safetensors", file.tensors);
  CHECK(logits_of(load_model(folder / "bare"), tokens).equal(expected));
  auto wrapped = file.tensors;
  for (auto& entry : wrapped) entry.name.insert(0, "model._orig_mod.module.");
  write_tensors(folder / "bare/model.safetensors", wrapped);
  CHECK(logits_of(load_model(folder / "bare"), tokens).equal(expected));

  // An untied model without its embedding is not helped by its head.
  auto config = read_text(language_case("tied_only_head/config.json"));
  const std::string tied = "\"tie_word_embeddings\": true";
  config.replace(config.find(tied), tied.size(), "\"tie_word_embeddings\": false");
  folder.write("bare/config.json", config);
  CHECK_THAT(message_of<CheckpointError>([&] { load_model(folder / "bare"); }), Contains("output_projection.weight"));
}

TEST_CASE("prefixes of wrappers go in any nesting, and are reported", "[loading]") {
  using Names = std::vector<std::string>;
  for (const std::string prefix :
       {"_orig_mod.", "module.", "model.", "_forward_module.", "module._orig_mod.", "_orig_mod.module.",
        "model._orig_mod.module.", "_forward_module.model.module._orig_mod.", "model.model.", "module.model.module.",
        "_fsdp_wrapped_module.", "model._fsdp_wrapped_module._checkpoint_wrapped_module."}) {
    INFO(prefix);
    auto tensors = ones({prefix + "layers.0.w", prefix + "head.weight"});
    std::vector<std::string> warnings;
    strip_wrappers(tensors, "x.pth", warnings);
    CHECK(tensors[0].name == "layers.0.w");
    CHECK(tensors[1].name == "head.weight");
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], Contains(prefix.substr(0, prefix.find('.') + 1)) && Contains("2 names"));
  }
  CHECK(stripped({"layers.0._checkpoint_wrapped_module.w", "backbone.module.x", "submodule.y"}) ==
        Names{"layers.0.w", "backbone.x", "submodule.y"});
  CHECK(stripped({"n_averaged", "module.w"}) == Names{"w"});
  // What Hugging Face style and fla models call "model" is theirs.
  CHECK(stripped({"model.embed_tokens.weight", "lm_head.weight"}) ==
        Names{"model.embed_tokens.weight", "lm_head.weight"});
  CHECK(stripped({"module.model.embeddings.weight"}) == Names{"model.embeddings.weight"});
  CHECK(stripped({"model.model.embed_tokens.weight", "model.lm_head.weight"}) ==
        Names{"model.embed_tokens.weight", "lm_head.weight"});
  CHECK(stripped({"model.decoder.embed_tokens.weight"}) == Names{"decoder.embed_tokens.weight"});
}

TEST_CASE("two tensors that become one name are refused, one tensor under two names is not", "[loading]") {
  const auto message = message_of<CheckpointError>([] { stripped({"module._orig_mod.a", "a"}); });
  CHECK_THAT(message, Contains("[x.pth]") && Contains(" a ") && Contains("twice"));
  NamedTensors same = {{"module.a", torch::ones(2)}};
  same.push_back({"a", same[0].tensor});
  std::vector<std::string> warnings;
  strip_wrappers(same, "x.pth", warnings);
  CHECK(same.size() == 1);
}

TEST_CASE("averaged weights beside the raw ones are told apart", "[loading]") {
  const TemporaryFolder folder;
  const auto& config = find_model("test_rmt").config;
  const auto raw = state_dict(*build(config, 1)), averaged = state_dict(*build(config, 2));
  NamedTensors both;
  for (const auto& [name, tensor] : raw) both.push_back({"model." + name, tensor});
  for (const auto& [name, tensor] : averaged) both.push_back({"ema.module." + name, tensor});
  both.push_back({"ema.n_averaged", torch::ones({}, torch::kLong)});
  write_tensors(folder / "both.safetensors", both);
  const std::string name = "head.weight";
  const auto taken = [&](Prefer prefer) {
    const auto checkpoint = read_checkpoint(folder / "both.safetensors", prefer);
    CHECK_THAT(all_of(checkpoint.warnings), Contains("two sets of weights"));
    const auto loaded = load_model(checkpoint, {.name = "test_rmt"});
    return find_tensor(state_dict(*loaded.model), name)->clone();
  };
  CHECK(taken(Prefer::automatic).equal(*find_tensor(raw, name)));
  CHECK(taken(Prefer::raw).equal(*find_tensor(raw, name)));
  CHECK(taken(Prefer::ema).equal(*find_tensor(averaged, name)));
}

TEST_CASE("tensors of other kinds are skipped beside the weights and refused as weights", "[loading]") {
  const TemporaryFolder folder;
  const auto& config = find_model("test_rmt").config;
  const auto weights = state_dict(*build(config, 1));
  const std::vector<Foreign> beside = {
      {"freqs_cis", "C64", {2, 3}, 48}, {"ids", "U16", {5}, 10}, {"amax", "F8_E4M3", {1}, 1}};
  write_with_foreign(folder / "w.safetensors", weights, beside);
  const auto loaded = load_model(folder / "w.safetensors", {.name = "test_rmt"});
  CHECK_THAT(all_of(loaded.report.warnings), Contains("3 tensors are skipped") && Contains("freqs_cis (C64 [2, 3])") &&
                                                 Contains("ids (U16 [5])") && Contains("amax (F8_E4M3 [1])"));
  CHECK(find_tensor(state_dict(*loaded.model), "head.weight")->equal(*find_tensor(weights, "head.weight")));

  write_with_foreign(folder / "m.safetensors", weights, {{"norm.weight", "F8_E5M2", {48}, 48}});
  CHECK_THAT(message_of<CheckpointError>([&] { load_model(folder / "m.safetensors", {.name = "test_rmt"}); }),
             Contains("1 missing") && Contains("norm.weight F8_E5M2 [48]"));
  // Without its weights the head is taken for one that the file does not have.
  write_with_foreign(folder / "n.safetensors", weights, {{"head.weight", "F8_E5M2", {10, 96}, 960}});
  const auto message = message_of<CheckpointError>([&] { load_model(folder / "n.safetensors", {.name = "test_rmt"}); });
  CHECK_THAT(message, Contains("1 unexpected") && Contains("head.weight F8_E5M2 [10, 96]"));
  CHECK_THAT(message_of<CheckpointError>([&] { read_tensors(folder / "n.safetensors"); }),
             Contains("head.weight is F8_E5M2 [10, 96]; accepted are F64"));

  const auto pth = read_checkpoint(testing::source_dir() + "/tests/fixtures/formats/foreign.pth");
  REQUIRE(pth.tensors.size() == 1);
  CHECK(pth.skipped.size() == 12);
  CHECK_THAT(all_of(pth.warnings),
             Contains("12 tensors are skipped") && Contains("complex64 (torch.ComplexFloat [2, 3])"));
}

}  // namespace retentive::models
