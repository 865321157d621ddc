#include <cmath>
#include <vector>

#include <retention/kernels/attention_decode.h>

namespace retentive::retention {

void attention_decode_reference(const AttentionDecodeProblem& p, const AttentionDecodeTensors<float>& t) {
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t head = 0; head < p.heads; ++head) {
      for (int64_t i = 0; i < p.queries; ++i) {
        std::vector<double> weights, sums(p.value_dim, 0);
        double most = -INFINITY, total = 0;
        for (int64_t j = 0; j <= p.keys - p.queries + i; ++j) {
          double score = 0;
          for (int64_t d = 0; d < p.key_dim; ++d) {
            score += static_cast<double>(t.q.at(row, head, i)[d]) * t.k.at(row, head, j)[d];
          }
          weights.push_back(p.scale * score);
          most = std::max(most, weights.back());
        }
        for (size_t j = 0; j < weights.size(); ++j) {
          const double weight = std::exp(weights[j] - most);
          total += weight;
          for (int64_t c = 0; c < p.value_dim; ++c) sums[c] += weight * t.v.at(row, head, static_cast<int64_t>(j))[c];
        }
        for (int64_t c = 0; c < p.value_dim; ++c) t.out.at(row, head, i)[c] = static_cast<float>(sums[c] / total);
      }
    }
  }
}

}  // namespace retentive::retention
