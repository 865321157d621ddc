#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/torch.h>

#include <models/model_hash.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <models/vir_state.h>
#include <retention/base/buffer_pool.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <vision/vir_fixture.h>
#include <vision/vir_stream.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using torch::Tensor;
using vision::CallbackRowSource;
using vision::Image;
using vision::ImageRowSource;
using vision::Preprocessing;
using vision::Vir;
using vision::VirCall;
using vision::VirStream;

Image random_image(int64_t height, int64_t width, int64_t channels, uint64_t seed) {
  const auto values =
      torch::randint(0, 256, {height * width * channels}, at::make_generator<at::CPUGeneratorImpl>(seed), torch::kByte);
  const auto* begin = values.const_data_ptr<uint8_t>();
  return {height, width, channels, {begin, begin + values.numel()}};
}

// [1, 3, H, W], computed pixel by pixel.
Tensor whole(const Image& image, const Preprocessing& preprocessing) {
  auto out = torch::empty({1, 3, image.height, image.width});
  auto values = out.accessor<float, 4>();
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const auto at = (y * image.width + x) * image.channels + (image.channels == 3 ? c : 0);
        const auto channel = static_cast<size_t>(c);
        values[0][c][y][x] = static_cast<float>(
            (image.pixels[static_cast<size_t>(at)] / 255.0 - preprocessing.mean[channel]) / preprocessing.std[channel]);
      }
    }
  }
  return out;
}

vision::VirConfig config_of(int64_t decay_dims, vision::VirPool pool) {
  auto config = test_vir_config();
  config.decay_dims = decay_dims;
  config.pool = pool;
  config.layer_scale_init = 1.0;
  return config;
}

Tensor logits_of(const Vir& model, const Image& image, const VirCall& call) {
  ImageRowSource source(image);
  VirStream stream(model, image.height, image.width, call);
  stream.read(source, {});
  return stream.logits();
}

// Of LibTorch's allocator on this thread, and of the pool of prepared models.
class PeakMemory : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* memory, int64_t size, size_t, size_t, c10::Device) override {
    if (size > 0) {
      sizes_[memory] = size;
      now_ += size;
    } else if (const auto found = sizes_.find(memory); found != sizes_.end()) {
      now_ -= found->second;
      sizes_.erase(found);
    }
    peak_ = std::max(peak_, now_ + static_cast<int64_t>(BufferPool::shared().held()));
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t peak() const { return peak_; }

 private:
  std::map<void*, int64_t> sizes_;
  int64_t now_ = 0;
  int64_t peak_ = 0;
};

int64_t peak_of_stream(const Vir& model, int64_t side) {
  CallbackRowSource source(side, side, 3, [side](int64_t first, int64_t rows, uint8_t* out) {
    for (int64_t i = 0; i < rows * side * 3; ++i) out[i] = static_cast<uint8_t>((first * 31 + i * 7) % 251);
  });
  VirStream stream(model, side, side);  // holds the position table
  BufferPool::shared().trim();
  const auto meter = std::make_shared<PeakMemory>();
  {
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
    stream.read(source, {});
  }
  CHECK(stream.complete());
  CHECK(stream.logits().isfinite().all().item<bool>());
  return meter->peak();
}

// What `call` returns in a process of its own.
template <class Call>
int in_another_process(const Call& call) {
  const auto child = fork();
  if (child == 0) {
    int code = 100;
    try {
      code = call();
    } catch (...) {
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

TEST_CASE("a streamed image gives what the whole image gives", "[vir][stream]") {
  WorstDeviation worst("vir stream");
  for (const int64_t dims : {1, 2}) {
    for (const auto pool : {vision::VirPool::token_last, vision::VirPool::avg}) {
      for (const bool prepared : {false, true}) {
        auto model = lively_vir(config_of(dims, pool), 3);
        if (prepared) nn::prepare_inference(*model);
        const torch::NoGradGuard no_grad;
        for (const auto& [height, width] :
             std::vector<std::pair<int64_t, int64_t>>{{64, 64}, {5, 9}, {150, 83}, {97, 131}}) {
          const auto channels = height == 97 ? 1 : 3;
          const auto image = random_image(height, width, channels, 7);
          const auto input = whole(image, {});
          for (const VirCall call : {VirCall{}, VirCall{Form::chunkwise, 10}, VirCall{Form::recurrent, 0}}) {
            INFO(height << "x" << width << " dims " << dims << " prepared " << prepared);
            ImageRowSource source(image);
            VirStream stream(model, height, width, call);
            std::vector<Tensor> tokens;
            stream.set_sink([&](const Tensor& part, int64_t) { tokens.push_back(part.clone()); });
            stream.read(source, {});
            const auto expected = model->forward(input, {Form::parallel, 0});
            CHECK(worst.add("logits", deviation(stream.logits(), expected)) <= 1e-5);
            CHECK(deviation(stream.pooled(), model->forward_pooled(input, {Form::parallel, 0})) <= 1e-5);
            auto all = torch::cat(tokens, 1);
            if (pool == vision::VirPool::token_last)
              all = model->named_children()["norm"]->as<nn::LayerNorm>()->forward(all);
            CHECK(deviation(all, model->forward_tokens(input, {Form::parallel, 0})) <= 1e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("a saved image continues bit by bit in another process", "[vir][stream]") {
  const TemporaryFolder folder;
  for (const int64_t dims : {1, 2}) {
    for (const auto pool : {vision::VirPool::token_last, vision::VirPool::avg}) {
      auto model = lively_vir(config_of(dims, pool), 3);
      const auto hash = models::model_hash(*model);
      const auto image = random_image(150, 83, 3, 7);
      const VirCall call{Form::chunkwise, 12};
      const auto expected = logits_of(model, image, call);
      const auto path = folder / "image.state";
      CHECK(in_another_process([&] {
              at::set_num_threads(1);
              ImageRowSource source(image);
              VirStream stream(model, 150, 83, call);
              stream.read(source, {}, 40);
              models::save_vir_state(path, stream.state(), hash);
              return stream.next_row() == 64 ? 0 : 1;
            }) == 0);
      const auto state = models::load_vir_state(path, hash);
      CHECK(state.position == 4 * 6);
      ImageRowSource source(image);
      VirStream stream(model, state, call);
      CHECK_THROWS_AS(stream.logits(), StateError);
      stream.read(source, {});
      CHECK(stream.logits().equal(expected));
      VirStream again(model, state, call);  // untouched by the first continuation
      ImageRowSource second(image);
      again.read(second, {});
      CHECK(again.logits().equal(expected));
    }
  }
}

TEST_CASE("states of other models and images, and damaged ones, are refused", "[vir][stream]") {
  const TemporaryFolder folder;
  const auto config = config_of(1, vision::VirPool::token_last);
  auto model = lively_vir(config, 3);
  const auto hash = models::model_hash(*model);
  CHECK(models::model_hash(*lively_vir(config, 3)) == hash);
  VirStream stream(model, 100, 83, {Form::chunkwise, 6});
  const auto image = random_image(100, 83, 3, 1);
  ImageRowSource source(image);
  stream.read(source, {}, 1);
  const auto path = folder / "image.state";
  models::save_vir_state(path, stream.state(), hash);
  const auto other = models::model_hash(*lively_vir(config, 4));
  CHECK_THAT(message_of<StateError>([&] { models::load_vir_state(path, other); }), Contains("another model"));
  auto bytes = read_text(path);
  bytes[bytes.size() - 3] ^= 1;
  CHECK_THAT(message_of<CheckpointError>([&] { models::load_vir_state(folder.write("bad.state", bytes), hash); }),
             Contains("checksum"));
  CHECK_THROWS_AS(models::load_vir_state(folder / "none.state", hash), CheckpointError);
  CHECK_THROWS_AS(models::load_vir_state(folder.write("cut.state", bytes.substr(0, 100)), hash), CheckpointError);

  const auto state = models::load_vir_state(path, hash);
  VirStream resumed(model, state);
  ImageRowSource wide(random_image(100, 84, 3, 1)), low(random_image(99, 83, 3, 1));
  CHECK_THROWS_AS(resumed.read(wide, {}), InvalidArgument);
  CHECK_THROWS_AS(resumed.read(low, {}), InvalidArgument);
  source.read(3, std::vector<uint8_t>(3 * 83 * 3).data());
  CHECK_THROWS_AS(resumed.read(source, {}), InvalidArgument);
  CHECK_THROWS_AS(resumed.feed(torch::zeros({1, 3, 17, 83})), InvalidArgument);
  CHECK_THROWS_AS(resumed.feed(torch::zeros({1, 3, 96, 83})), InvalidArgument);
  CHECK_THROWS_AS(resumed.feed(torch::zeros({1, 3, 16, 84})), InvalidArgument);
  resumed.feed(torch::zeros({1, 3, 84, 83}));
  CHECK(resumed.complete());
  CHECK_THROWS_AS(resumed.feed(torch::zeros({1, 3, 16, 83})), InvalidArgument);

  const auto grid = lively_vir(config_of(2, vision::VirPool::token_last), 3);
  CHECK_THROWS_AS(VirStream(grid, state), StateError);
  auto moved = state;
  moved.position += 1;
  CHECK_THROWS_AS(VirStream(model, moved), StateError);
  CHECK_THROWS_AS(VirStream(model, 64, 64, {Form::parallel, 0}), InvalidArgument);
  CHECK_THROWS_AS(VirStream(model, 0, 64), InvalidArgument);
  model->train();
  CHECK_THROWS_AS(VirStream(model, 64, 64), StateError);
}

TEST_CASE("a stream's state has a size of its own", "[vir][stream]") {
  for (const int64_t dims : {1, 2}) {
    const auto config = config_of(dims, vision::VirPool::token_last);
    auto model = lively_vir(config, 3);
    for (const int64_t width : {80, 160}) {
      for (const int64_t height : {64, 256}) {
        VirStream stream(model, height, width);
        stream.feed(torch::zeros({1, 3, 32, width}));
        const auto state = stream.state();
        const auto columns = dims == 2 ? width / 16 + 1 : 1;
        for (const auto& block : state.blocks) {
          int64_t values = 0;
          for (const auto& tensor : block.tensors) values += tensor.numel();
          CHECK(values == config.num_heads * config.head_dim() * config.head_dim() * columns);
        }
      }
    }
  }
}

TEST_CASE("memory for activations does not grow with the image", "[vir][stream][slow]") {
  const auto model = std::dynamic_pointer_cast<vision::VirImpl>(models::build(models::find_model("vir_t").config, 1));
  REQUIRE(model);
  model->eval();
  nn::prepare_inference(*model);
  peak_of_stream(Vir(model), 1024);  // weights are packed, libraries warm
  const auto small = peak_of_stream(Vir(model), 1024), large = peak_of_stream(Vir(model), 4096);
  WARN("peak activations of vir_t: " << small << " bytes at 1024 x 1024, " << large << " at 4096 x 4096");
  CHECK(small > 1 << 20);
  CHECK(static_cast<double>(large) <= 1.2 * static_cast<double>(small));
}

}  // namespace
}  // namespace retentive::testing
