#include <models/tokenizers/detail/regex.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <new>

#include <models/formats/message.h>
#include <models/tokenizers/detail/utf8.h>
#include <retention/base/error.h>

namespace retentive::models::detail {
namespace {

// Steps that one match may take; real pre-tokenizers need a few per character.
constexpr std::uint32_t kMatchLimit = 10'000'000;
constexpr std::uint32_t kHeapLimit = 256 * 1024;  // KiB

template <class T>
struct Free;
template <>
struct Free<pcre2_compile_context> {
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
};
template <>
struct Free<pcre2_match_context> {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
template <>
struct Free<pcre2_match_data> {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free<T>>;

template <class T>
Owned<T> owned(T* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return Owned<T>(pointer);
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string error_text(int code) {
  PCRE2_UCHAR buffer[160] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

struct Search {
  const pcre2_code* code;
  std::string_view text;
  Owned<pcre2_match_context> context = owned(pcre2_match_context_create(nullptr));
  Owned<pcre2_match_data> data = owned(pcre2_match_data_create(1, nullptr));

  Search(const pcre2_code* compiled, std::string_view subject) : code(compiled), text(subject) {
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimit);
  }

  // PCRE2's result: negative for no match and for errors.
  int run(std::size_t from, Match& match) {
    int result = pcre2_match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
      result = pcre2_match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data.get(),
                           context.get());
    }
    if (result >= 0) {
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
      match = {ends[0], ends[1]};
    }
    return result;
  }
};

}  // namespace

Regex::Regex(const std::string& pattern, const std::string& where) : where_(where) {
  const auto context = owned(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(units(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error,
                                   &offset, context.get());
  if (code == nullptr) {
    throw CheckpointError("[tokenizer] " + where + " is a pattern that does not compile: " + error_text(error) +
                          " at byte " + std::to_string(offset) + " of " + formats::in_quotes(pattern));
  }
  code_ = {code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); }};
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT, matching is only slower
}

std::vector<Match> Regex::find_all(std::string_view text) const {
  if (text.empty()) text = std::string_view("", 0);
  Search search(static_cast<const pcre2_code*>(code_.get()), text);
  std::vector<Match> matches;
  for (std::size_t at = 0; at <= text.size();) {
    Match match;
    const int result = search.run(at, match);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0 || match.begin > match.end) {
      throw DataError("[tokenizer] " + where_ + ": the pattern gives up on a text of " + std::to_string(text.size()) +
                      " bytes: " + error_text(result) + "; shorten the text, or simplify the pattern");
    }
    if (match.begin == match.end && !matches.empty() && matches.back().end == match.end) {
      if (at >= text.size()) break;
      next_character(text, at);
      continue;
    }
    matches.push_back(match);
    at = match.end;
  }
  return matches;
}

}  // namespace retentive::models::detail
