#include <models/formats/message.h>
#include <models/tokenizers/byte_tokenizer.h>
#include <models/tokenizers/detail/bpe_model.h>

namespace retentive::models::detail {
namespace {

// Options that change the ids and that no common model sets.
void refuse_variants(Fields& fields) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (const auto value = fields.optional_text(key); value && !value->empty()) {
      fail_unsupported(fields.where(key), "is " + formats::in_quotes(*value) + "; only null is supported");
    }
  }
  const Json* dropout = fields.find("dropout");
  if (dropout != nullptr && *dropout != 0.0) {
    fail_unsupported(fields.where("dropout"),
                     "is " + dropout->dump() + "; only null is supported: ids must not be random");
  }
}

// "a b" -> (a, b)
std::pair<std::string, std::string> split_pair(const std::string& text, const std::string& where) {
  const std::size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) {
    fail_malformed(where, "is " + formats::in_quotes(text) + "; two tokens with one space between are accepted");
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

bool is_pair(const Json& item) {
  return item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string();
}

}  // namespace

BpeModel::BpeModel(const Json& json, const std::string& where) {
  Fields fields(json, where);
  if (const auto type = fields.optional_text("type"); type && *type != "BPE") {
    fail_unsupported(fields.where("type"), formats::in_quotes(*type) + " is not supported; only BPE is");
  }
  refuse_variants(fields);
  fuse_unknown_ = fields.flag("fuse_unk", false);
  ignore_merges_ = fields.flag("ignore_merges", false);
  read_vocabulary(fields.at("vocab"), fields.where("vocab"));
  read_merges(fields.at("merges"), fields.where("merges"));
  if (const auto unknown = fields.optional_text("unk_token")) {
    const auto found = ids_.find(*unknown);
    if (found == ids_.end()) {
      fail_malformed(fields.where("unk_token"), "is " + formats::in_quotes(*unknown) + ", which the vocabulary lacks");
    }
    unknown_ = found->second;
  }
  if (fields.flag("byte_fallback", false)) {
    const ByteTokenizer bytes;
    for (std::int64_t byte = 0; byte < bytes.vocab_size(); ++byte) {
      const auto found = ids_.find(bytes.id_to_token(byte));
      byte_ids_.push_back(found == ids_.end() ? std::nullopt : std::optional<std::uint32_t>(found->second));
    }
  }
  fields.finish();
}

void BpeModel::read_vocabulary(const Json& json, const std::string& where) {
  Fields fields(json, where);
  ids_.reserve(json.size());
  for (const auto& [token, value] : json.items()) {
    const bool valid = value.is_number_unsigned() && value.get<std::uint64_t>() < std::uint64_t{1} << 31;
    if (!valid) {
      fail_malformed(where, "gives " + formats::in_quotes(token) + " the id " + value.dump() +
                                "; a whole number from 0 to 2147483647 is accepted");
    }
    const auto id = value.get<std::uint32_t>();
    const auto entry = ids_.emplace(token, id).first;
    const auto [holder, is_new] = tokens_.emplace(id, &entry->first);
    if (!is_new) {
      fail_malformed(where, "gives the id " + std::to_string(id) + " to " + formats::in_quotes(*holder->second) +
                                " and to " + formats::in_quotes(token));
    }
    id_end_ = std::max<std::int64_t>(id_end_, id + std::int64_t{1});
  }
}

void BpeModel::read_merges(const Json& json, const std::string& where) {
  if (!json.is_array()) fail_malformed(where, "is no list");
  merges_.reserve(json.size());
  std::uint32_t rank = 0;
  const bool pairs = !json.empty() && json.front().is_array();
  for (std::size_t i = 0; i < json.size(); ++i) {
    const Json& item = json[i];
    const auto place = [&] { return where + "[" + std::to_string(i) + "]"; };
    if (pairs ? !is_pair(item) : !item.is_string()) {
      fail_malformed(place(), "is " + std::string(item.type_name()) +
                                  "; either every merge is a text \"a b\" or every one is a list [\"a\", \"b\"]");
    }
    if (pairs) {
      add_merge(item[0].get_ref<const std::string&>(), item[1].get_ref<const std::string&>(), rank++, place());
      continue;
    }
    const auto& text = item.get_ref<const std::string&>();
    if (text.starts_with("#version")) continue;
    const auto [left, right] = split_pair(text, place());
    add_merge(left, right, rank++, place());
  }
}

void BpeModel::add_merge(const std::string& left, const std::string& right, std::uint32_t rank,
                         const std::string& where) {
  const auto known = [&](const std::string& token) {
    const auto found = ids_.find(token);
    if (found == ids_.end()) {
      fail_malformed(where, "needs the token " + formats::in_quotes(token) + ", which the vocabulary lacks");
    }
    return found->second;
  };
  const std::uint32_t left_id = known(left), right_id = known(right);
  merges_[std::uint64_t{left_id} << 32 | right_id] = {rank, known(left + right)};
}

}  // namespace retentive::models::detail
