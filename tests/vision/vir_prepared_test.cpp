#include <functional>
#include <thread>

#include <retention/nn/inference.h>
#include <vision/vir_fixture.h>
#include <vision/vir_stream.h>

namespace retentive::testing {
namespace {

using torch::Tensor;
using vision::Vir;
using vision::VirCall;
using vision::VirStream;

Vir prepared_vir(int64_t decay_dims, vision::VirPool pool, Precision precision) {
  auto config = test_vir_config();
  config.patch_size = 4;
  config.image_size = {32, 40};
  config.decay_dims = decay_dims;
  config.pool = pool;
  config.layer_scale_init = 1.0;
  auto model = lively_vir(config, 3);
  nn::prepare_inference(*model, {.precision = precision});
  return model;
}

Tensor streamed_logits(const Vir& model, const Tensor& image, const VirCall& call) {
  VirStream stream(model, image.size(2), image.size(3), call);
  while (!stream.complete()) {
    const auto rows = std::min(stream.band_rows(), image.size(2) - stream.next_row());
    stream.feed(image.narrow(2, stream.next_row(), rows));
  }
  return stream.logits();
}

TEST_CASE("a prepared ViR gives the same in bands of rows, in every precision", "[vir][stream][prepared]") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    WorstDeviation same("bands against whole, same form, " + std::string(enum_name(precision)));
    WorstDeviation forms("bands against whole, parallel, " + std::string(enum_name(precision)));
    // Chunks begin at other tokens: sums are rounded to the precision at other places.
    const double bound = precision == Precision::fp32 ? 1e-5 : precision == Precision::bf16 ? 0.03 : 0.06;
    for (const int64_t dims : {1, 2}) {
      for (const auto pool : {vision::VirPool::token_last, vision::VirPool::avg}) {
        auto model = prepared_vir(dims, pool, precision);
        for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{{64, 64}, {97, 61}, {3, 5}}) {
          const auto image = random_tensor({1, 3, height, width}, 7);
          const auto where = std::to_string(height) + "x" + std::to_string(width) + " dims " + std::to_string(dims);
          for (const VirCall call : {VirCall{Form::chunkwise, 100}, VirCall{Form::recurrent, 0}}) {
            const auto logits = streamed_logits(model, image, call);
            CHECK(same.add(where, deviation(logits, model->forward(image, call))) <= bound);
            CHECK(forms.add(where, deviation(logits, model->forward(image, {Form::parallel, 0}))) <= bound);
          }
        }
      }
    }
  }
}

// Results of `jobs`, each repeated on a thread of its own, all at once.
std::vector<std::vector<Tensor>> on_threads(const std::vector<std::function<Tensor()>>& jobs, int repeats) {
  std::vector<std::vector<Tensor>> results(jobs.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < jobs.size(); ++i) {
    threads.emplace_back([&, i] {
      const torch::NoGradGuard no_grad;
      for (int n = 0; n < repeats; ++n) results[i].push_back(jobs[i]());
    });
  }
  for (auto& thread : threads) thread.join();
  return results;
}

TEST_CASE("one prepared ViR serves several threads at once", "[vir][stream][prepared]") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    for (const int64_t dims : {1, 2}) {
      auto model = prepared_vir(dims, vision::VirPool::token_last, precision);
      std::vector<std::function<Tensor()>> jobs;
      for (const int64_t side : {64, 50}) {
        const auto image = random_tensor({1, 3, side, 61}, static_cast<uint64_t>(side));
        jobs.push_back([model, image]() mutable { return model->forward(image, {Form::parallel, 0}); });
        jobs.push_back([model, image]() mutable { return model->forward(image, {Form::chunkwise, 60}); });
        jobs.push_back([model, image] { return streamed_logits(model, image, {Form::chunkwise, 60}); });
      }
      std::vector<Tensor> alone;
      for (const auto& job : jobs) alone.push_back(job().clone());
      CHECK_FALSE(alone[0].allclose(alone[3], 0.1, 0.1));  // one image is not the other
      const auto results = on_threads(jobs, 8);
      for (size_t i = 0; i < jobs.size(); ++i) {
        INFO("job " << i << ", " << enum_name(precision) << ", decay_dims " << dims);
        REQUIRE(results[i].size() == 8);
        for (const auto& result : results[i]) CHECK(result.equal(alone[i]));
      }
    }
  }
}

}  // namespace
}  // namespace retentive::testing
