#include <models/tokenizers/detail/metaspace.h>

#include <models/formats/message.h>

namespace retentive::models::detail {

Metaspace read_metaspace(Fields& fields) {
  Metaspace result{fields.character("replacement")};
  const auto scheme = fields.optional_text("prepend_scheme");
  const bool prefix = fields.flag("add_prefix_space", true);
  if (scheme == "never" || (!scheme && !prefix)) {
    result.prepend = PrependScheme::never;
  } else if (scheme == "first") {
    result.prepend = PrependScheme::first;
  } else if (scheme && *scheme != "always") {
    fail_malformed(fields.where("prepend_scheme"),
                   "is " + formats::in_quotes(*scheme) + "; first, never or always is accepted");
  }
  if (!prefix && result.prepend != PrependScheme::never) {
    fail_malformed(fields.where("add_prefix_space"), "is false, but prepend_scheme is '" + *scheme + "'; remove one");
  }
  result.split = fields.flag("split", true);
  fields.optional_text("str_rep");  // written by old versions, says nothing new
  return result;
}

}  // namespace retentive::models::detail
