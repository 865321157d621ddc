#pragma once

namespace retentive::bench {

/// The commit this program was built from, with "+" behind it when the sources had changes; "unknown" outside a
/// checkout.
const char* built_commit();

}  // namespace retentive::bench
