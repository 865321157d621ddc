#pragma once

#include <models/tokenizers/detail/fields_json.h>

namespace retentive::models::detail {

enum class PrependScheme { first, never, always };

/// The options of a Metaspace pre-tokenizer or decoder.
struct Metaspace {
  char32_t replacement;
  PrependScheme prepend = PrependScheme::always;
  bool split = true;
};

/// Also reads the older spelling, `add_prefix_space` in place of `prepend_scheme`.
Metaspace read_metaspace(Fields& fields);

}  // namespace retentive::models::detail
