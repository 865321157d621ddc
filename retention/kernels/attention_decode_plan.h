#pragma once

// How the decoding attention divides its work and workspace; private to it. Everything has internal linkage: this is
// compiled for several instruction sets.

#include <cstdint>

#include <retention/kernels/attention_decode.h>

namespace retentive::retention {
namespace {

// Keys that are worked on together. Parts do not depend on the threads, so that no sum does.
constexpr int64_t kDecodePart = 256;

// Offsets into the workspace, in floats: the partial result of each part of each head and the queries of each thread.
struct AttentionDecodePlan {
  int64_t parts;        // of one head of one row
  int64_t key_width;    // of a query: whole vectors of any instruction set
  int64_t value_width;  // of a partial result's sums; its maximum and total follow
  int64_t partial;      // of one query
  int64_t queries;      // where those of the threads begin
  int64_t floats;

  AttentionDecodePlan(const AttentionDecodeProblem& p, int threads)
      : parts((p.keys + kDecodePart - 1) / kDecodePart),
        key_width(whole(p.key_dim)),
        value_width(whole(p.value_dim)),
        partial(value_width + kLine),
        queries(p.rows * p.heads * parts * p.queries * partial),
        floats(queries + (threads > 1 ? threads : 1) * p.queries * key_width) {}

 private:
  static constexpr int64_t kLine = 16;
  static int64_t whole(int64_t count) { return (count + kLine - 1) / kLine * kLine; }
};

}  // namespace
}  // namespace retentive::retention
