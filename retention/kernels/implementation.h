#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <retention/base/cpu_isa.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// Why an implementation was passed over.
struct Declined {
  std::string implementation;
  std::string reason;
};

/// One implementation of a kernel: its entry point and the instruction set that it is compiled for.
template <class Function>
struct Implementation {
  Isa isa;
  Function run;
};

/// The first of `candidates` (best first) that the processor can run, or null; the others before it are appended to
/// `declined` when given.
template <class Function, size_t count>
Function choose(const Implementation<Function> (&candidates)[count], std::vector<Declined>* declined = nullptr) {
  for (const auto& candidate : candidates) {
    if (candidate.isa <= cpu_isa()) return candidate.run;
    if (declined == nullptr) continue;
    const bool capped = candidate.isa <= detected_isa();
    declined->push_back({std::string(enum_name(candidate.isa)),
                         capped ? "RETENTIVE_ISA caps the instruction set" : "the processor lacks the instructions"});
  }
  return nullptr;
}

}  // namespace retentive::retention
