#include <models/tokenizers/bpe_tokenizer.h>

#include <array>
#include <unordered_map>
#include <unordered_set>

#include <models/tokenizers/detail/added_tokens.h>
#include <models/tokenizers/detail/bpe_model.h>
#include <models/tokenizers/detail/byte_level.h>
#include <models/tokenizers/detail/components.h>
#include <models/tokenizers/detail/files.h>
#include <models/tokenizers/detail/utf8.h>
#include <retention/base/error.h>

namespace retentive::models {

using namespace detail;

struct BpeTokenizer::Parts {
  explicit Parts(Fields fields);

  BpeModel model;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Decoder decoder;
  Template around;
  std::vector<AddedToken> added;
  TokenFinder raw_tokens;
  TokenFinder normalized_tokens;
  std::unordered_map<std::int64_t, const AddedToken*> added_by_id;
  std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>> added_ids;
  std::unordered_set<std::string> special;
  std::int64_t id_end = 0;

  const std::string* spelling(std::int64_t id) const;
  std::optional<std::int64_t> find(std::string_view token) const;
  std::optional<std::int64_t> edge_token(bool front, std::initializer_list<std::string_view> names) const;

 private:
  std::vector<AddedToken> read_added(Fields& fields) const;
  void index_added(const std::string& where);
  void check_template(const std::string& where) const;
};

namespace {

const Json& or_null(const Json* json) {
  static const Json null;
  return json == nullptr ? null : *json;
}

// Fields of the whole file that change nothing here, or must be off.
void check_frame(Fields& fields) {
  if (const auto version = fields.optional_text("version"); version && *version != "1.0") {
    fail_unsupported(fields.where("version"), "is '" + *version + "'; only 1.0 is supported");
  }
  for (const char* key : {"truncation", "padding"}) {
    if (fields.find(key) != nullptr) {
      fail_unsupported(fields.where(key), "is set; only null is supported: texts keep their own length");
    }
  }
}

}  // namespace

BpeTokenizer::Parts::Parts(Fields fields)
    : model(fields.at("model"), fields.where("model")),
      normalizer(read_normalizer(or_null(fields.find("normalizer")), fields.where("normalizer"))),
      pre_tokenizer(read_pre_tokenizer(or_null(fields.find("pre_tokenizer")), fields.where("pre_tokenizer"))),
      decoder(read_decoder(or_null(fields.find("decoder")), fields.where("decoder"))),
      around(read_post_processor(or_null(fields.find("post_processor")), fields.where("post_processor"))),
      added(read_added(fields)),
      raw_tokens(added, false, fields.where("added_tokens")),
      normalized_tokens(added, true, fields.where("added_tokens")) {
  check_frame(fields);
  fields.finish();
  index_added(fields.where("added_tokens"));
  check_template(fields.where("post_processor"));
}

std::vector<AddedToken> BpeTokenizer::Parts::read_added(Fields& fields) const {
  auto tokens = read_added_tokens(or_null(fields.find("added_tokens")), fields.where("added_tokens"));
  for (AddedToken& token : tokens) {
    if (!token.normalized || !normalizer) continue;
    Piece piece{token.content};
    normalizer(piece);
    token.pattern = piece.text;
  }
  return tokens;
}

// Ids are given in order from the model's vocabulary on, unless the model knows the token; the file must agree.
void BpeTokenizer::Parts::index_added(const std::string& where) {
  auto next = static_cast<std::int64_t>(model.size());
  id_end = model.id_end();
  for (std::size_t i = 0; i < added.size(); ++i) {
    const AddedToken& token = added[i];
    const std::string place = where + "[" + std::to_string(i) + "]";
    if (added_ids.contains(token.content)) fail_malformed(place, "repeats the content of another token");
    const auto in_model = model.id(token.content);
    const std::int64_t id = in_model ? *in_model : next++;
    if (id != token.id) {
      fail_malformed(place, "has the id " + std::to_string(token.id) + ", but its place in the vocabulary is " +
                                std::to_string(id) + "; ids of added tokens go on from the vocabulary without gaps");
    }
    if (!in_model && model.token(id) != nullptr) fail_malformed(place, "takes the id of a token in the vocabulary");
    added_by_id.emplace(id, &token);
    added_ids.emplace(token.content, id);
    if (token.special) special.insert(token.content);
    id_end = std::max(id_end, id + 1);
  }
}

void BpeTokenizer::Parts::check_template(const std::string& where) const {
  auto ids = around.items;
  ids.push_back(around.between);
  for (const auto& id : ids) {
    if (id && spelling(*id) == nullptr) {
      fail_malformed(where, "adds the id " + std::to_string(*id) + ", which no token has");
    }
  }
}

// Decoders undo the normaliser, so a normalised token is decoded from its normal form.
const std::string* BpeTokenizer::Parts::spelling(std::int64_t id) const {
  const auto found = added_by_id.find(id);
  return found == added_by_id.end() ? model.token(id) : &found->second->pattern;
}

std::optional<std::int64_t> BpeTokenizer::Parts::find(std::string_view token) const {
  const auto found = added_ids.find(token);
  return found == added_ids.end() ? model.id(token) : found->second;
}

std::optional<std::int64_t> BpeTokenizer::Parts::edge_token(bool front,
                                                            std::initializer_list<std::string_view> names) const {
  const auto& items = around.items;
  if (!items.empty()) {
    const auto& edge = front ? items.front() : items.back();
    if (edge) return edge;
  }
  // What stands between two texts and does not begin one ends the first.
  const bool begins = !items.empty() && items.front() == around.between;
  if (!front && around.between && !begins) return around.between;
  for (const std::string_view name : names) {
    if (special.contains(std::string(name))) return find(name);
  }
  return std::nullopt;
}

BpeTokenizer::BpeTokenizer(std::string text, std::unique_ptr<const Parts> parts)
    : text_(std::move(text)), parts_(std::move(parts)) {}

BpeTokenizer::~BpeTokenizer() = default;

std::unique_ptr<BpeTokenizer> BpeTokenizer::from_json(std::string text, const std::string& name) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    fail_malformed(name, std::string("is no valid JSON: ") + error.what());
  }
  auto parts = std::make_unique<const Parts>(Fields(json, name + ":"));
  return std::unique_ptr<BpeTokenizer>(new BpeTokenizer(std::move(text), std::move(parts)));
}

std::string BpeTokenizer::kind() const { return "bpe"; }

std::vector<std::int64_t> BpeTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  Piece whole{valid_utf8(text), std::nullopt, true};
  if (!whole.text.empty()) next_character(whole.text, whole.head);
  Pieces pieces{std::move(whole)};
  parts_->raw_tokens.split(pieces, options.match_special_tokens);
  if (parts_->normalizer) {
    for (Piece& piece : pieces) {
      if (!piece.token) parts_->normalizer(piece);
    }
  }
  parts_->normalized_tokens.split(pieces, options.match_special_tokens);
  if (parts_->pre_tokenizer) parts_->pre_tokenizer(pieces);

  std::vector<std::int64_t> ids;
  for (const Piece& piece : pieces) {
    if (piece.token) {
      ids.push_back(*piece.token);
    } else {
      parts_->model.encode(piece.text, ids);
    }
  }
  std::vector<std::int64_t> result;
  for (const auto& item : parts_->around.items) {
    if (!item) {
      result.insert(result.end(), ids.begin(), ids.end());
    } else if (options.add_special_tokens) {
      result.push_back(*item);
    }
  }
  return result;
}

std::string BpeTokenizer::decode(std::span<const std::int64_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int64_t id : ids) {
    std::string token = id_to_token(id);
    if (!skip_special_tokens || !parts_->special.contains(token)) tokens.push_back(std::move(token));
  }
  if (parts_->decoder) parts_->decoder(tokens);
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && !parts_->decoder) text += ' ';
    text += tokens[i];
  }
  return text;
}

std::int64_t BpeTokenizer::vocab_size() const { return parts_->id_end; }

std::string BpeTokenizer::id_to_token(std::int64_t id) const {
  if (const std::string* token = parts_->spelling(id)) return *token;
  throw InvalidArgument("[tokenizer] no token has the id " + std::to_string(id) + "; ids are below " +
                        std::to_string(vocab_size()));
}

std::optional<std::int64_t> BpeTokenizer::token_to_id(std::string_view token) const { return parts_->find(token); }

std::string BpeTokenizer::token_text(std::int64_t id) const {
  const std::string spelling = id_to_token(id);
  if (parts_->special.contains(spelling)) return {};
  // The second of two: a decoder may treat the first token of a text in its own way.
  const std::string once = decode(std::array{id}, false), twice = decode(std::array{id, id}, false);
  if (twice.find(kReplacement) == twice.npos || spelling.find(kReplacement) != spelling.npos) {
    return twice.substr(once.size());
  }
  if (const auto byte = byte_of(spelling)) return {*byte};
  return characters_to_bytes(spelling).value_or(spelling);
}

std::optional<std::int64_t> BpeTokenizer::bos_id() const {
  return parts_->edge_token(true, {"<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"});
}

std::optional<std::int64_t> BpeTokenizer::eos_id() const {
  return parts_->edge_token(false, {"</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>"});
}

std::string BpeTokenizer::serialize() const { return text_; }

void BpeTokenizer::save(const std::filesystem::path& path) const { write_file(path, text_); }

}  // namespace retentive::models
