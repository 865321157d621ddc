#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/boxes.h>
#include <support/tensors.h>

using namespace retentive;
using namespace retentive::testing;
using torch::Tensor;

namespace {

const std::string kFixture = "boxes/boxes";

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

Tensor rows(std::vector<float> values, int64_t width = 4) { return torch::tensor(values).view({-1, width}); }

Tensor uniform(at::IntArrayRef shape, uint64_t seed, at::ScalarType dtype = torch::kFloat) {
  return torch::rand(shape, at::make_generator<at::CPUGeneratorImpl>(seed), torch::TensorOptions().dtype(dtype));
}

// The usual framework's own sampler on the grid that pasting is defined by; the pixels within one of the box.
Tensor pasted(const Tensor& mask, const Tensor& box, int64_t height, int64_t width, double threshold) {
  const auto side = [&](int64_t low, int64_t high, int64_t extent) {
    const auto from = box[low], to = box[high];
    const auto pixel = torch::arange(extent, torch::kFloat);
    const auto inside = (pixel >= from.floor() - 1) & (pixel < to.ceil() + 1);
    return std::pair((pixel + 0.5 - from) / (to - from) * 2 - 1, inside);
  };
  const auto [x, across] = side(0, 2, width);
  const auto [y, down] = side(1, 3, height);
  const auto grid = torch::stack({x.expand({height, width}), y.unsqueeze(1).expand({height, width})}, 2);
  const auto options = torch::nn::functional::GridSampleFuncOptions().align_corners(false);
  const auto samples = torch::nn::functional::grid_sample(mask.view({1, 1, mask.size(0), mask.size(1)}),
                                                          grid.unsqueeze(0), options)[0][0];
  return ((samples >= threshold) & down.unsqueeze(1) & across).to(torch::kByte);
}

}  // namespace

TEST_CASE("suppression equals ONNX Runtime's", "[boxes]") {
  const Fixture fixture(kFixture);
  const auto boxes = fixture.get("boxes"), scores = fixture.get("scores");
  for (const auto& [name, threshold] : {std::pair("nms_30", 0.3), std::pair("nms_70", 0.7)}) {
    const auto expected = fixture.get(name);  // [M, 2]
    for (int64_t c = 0; c < 3; ++c) {
      const auto of_class = expected.index({expected.select(1, 0) == c}).select(1, 1);
      CHECK(torch::equal(nms(boxes, scores[c], threshold), of_class));
    }
    // All classes at once: the same boxes, in the order of scores.
    const auto ids = torch::arange(3).repeat_interleave(boxes.size(0));
    const auto kept = batched_nms(boxes.repeat({3, 1}), scores.flatten(), ids, threshold);
    const auto flat = expected.select(1, 0) * boxes.size(0) + expected.select(1, 1);
    const auto order = scores.flatten().index({flat}).argsort(0, /*descending=*/true);
    CHECK(torch::equal(kept, flat.index({order})));
  }
}

TEST_CASE("overlaps of boxes as an op", "[boxes]") {
  const auto a = rows({0, 0, 10, 10, 3, 3, 3, 3}), b = rows({5, 0, 10, 10, 5, 5, 15, 15, 50, 0, 60, 1});
  CHECK(deviation(pairwise_iou(a, b), torch::tensor({0.5f, 1.0f / 7, 0.0f, 0.0f, 0.0f, 0.0f}).view({2, 3})) < 1e-7);
  CHECK(deviation(pairwise_iof(b, a), torch::tensor({1.0f, 0.0f, 0.25f, 0.0f, 0.0f, 0.0f}).view({3, 2})) < 1e-7);
  const auto strided = torch::stack({b, b}, 1).select(1, 0).t().contiguous().t();
  CHECK(torch::equal(pairwise_iou(a, strided), pairwise_iou(a, b)));
  CHECK(pairwise_iou(a, rows({})).sizes() == at::IntArrayRef({2, 0}));
  CHECK_FALSE(pairwise_iou(a.clone().requires_grad_(), b).requires_grad());
}

TEST_CASE("no boxes give no boxes", "[boxes]") {
  const auto none = torch::empty({0, 4}), scores = torch::empty({0});
  CHECK(nms(none, scores, 0.5).sizes() == at::IntArrayRef({0}));
  CHECK(batched_nms(none, scores, torch::empty({0}, torch::kLong), 0.5).scalar_type() == torch::kLong);
  CHECK(paste_masks(torch::empty({0, 28, 28}), none, 30, 40, 0.5).sizes() == at::IntArrayRef({0, 30, 40}));
  CHECK(box_encode(none, none).sizes() == at::IntArrayRef({0, 4}));
  CHECK(box_decode(none, none, {1, 1, 1, 1}, {{8, 8}}).sizes() == at::IntArrayRef({0, 4}));
}

TEST_CASE("boxes are encoded and decoded", "[boxes][coder]") {
  // Centre (20, 30), size (20, 40); target centre (25, 20), size (40, 20).
  const auto box = rows({10, 10, 30, 50}), target = rows({5, 10, 45, 30});
  const double ln2 = std::log(2.0);
  const auto deltas = torch::tensor({0.25, -0.25, ln2, -ln2}, torch::kFloat).view({1, 4});
  CHECK(deviation(box_encode(box, target), deltas) < 1e-6);
  const BoxStds stds{0.1, 0.1, 0.2, 0.2};
  CHECK(deviation(box_encode(box, target, stds), torch::tensor({2.5, -2.5, 5 * ln2, -5 * ln2}).view({1, 4})) < 1e-6);
  CHECK(deviation(box_decode(box, deltas), target) < 1e-6);
  CHECK(deviation(box_decode(box, deltas, {1, 1, 1, 1}, {{25, 40}}), rows({5, 10, 40, 25})) < 1e-6);
  // Sizes grow by 62.5 at most and shrink no further.
  const auto wild = box_decode(box, rows({0, 0, 50, -50}));
  CHECK(deviation(wild, rows({20 - 625, 30 - 0.32f, 20 + 625, 30 + 0.32f})) < 1e-6);
  CHECK(torch::equal(box_decode(box, rows({0, 0, 50, 50}), stds, {{60, 70}}), rows({0, 0, 70, 60})));

  const auto boxes = uniform({50, 1, 4}, 1) + torch::tensor({0, 0, 2, 3});
  const auto targets = uniform({50, 3, 4}, 2) + torch::tensor({-1, 1, 4, 3});
  CHECK(deviation(box_decode(boxes, box_encode(boxes, targets, stds), stds), targets) < 1e-5);
}

TEST_CASE("decoding has a gradient", "[boxes][coder][grad]") {
  const auto boxes = uniform({6, 4}, 2, torch::kDouble) + torch::tensor({0, 0, 2, 3});
  auto deltas = random_tensor({6, 4}, 3, torch::kDouble).requires_grad_();
  const auto factor = random_tensor({6, 4}, 4, torch::kDouble);
  const auto loss = [&](const Tensor& d) { return (box_decode(boxes, d, {0.1, 0.2, 0.3, 0.4}) * factor).sum(); };
  loss(deltas).backward();
  const torch::NoGradGuard no_grad;
  for (int64_t i = 0; i < 24; ++i) {
    const auto step = torch::zeros({24}, torch::kDouble).index_fill_(0, torch::tensor({i}), 1e-5).view({6, 4});
    const double slope = (loss(deltas + step) - loss(deltas - step)).item<double>() / 2e-5;
    CHECK(deltas.grad().flatten()[i].item<double>() == Approx(slope).epsilon(1e-6).margin(1e-8));
  }
}

TEST_CASE("pasted masks equal the framework's sampler", "[boxes][paste]") {
  const auto masks = uniform({30, 28, 28}, 1);
  const auto corners = uniform({30, 2}, 2) * 150 - 30;
  const auto sizes = uniform({30, 2}, 3) * 120 + 0.5;
  const auto boxes = torch::cat({corners, corners + sizes}, 1);
  for (const double threshold : {0.1, 0.5}) {
    const auto out = paste_masks(masks, boxes, 90, 130, threshold);
    int64_t different = 0;
    for (int64_t k = 0; k < 30; ++k) {
      different += (out[k] != pasted(masks[k], boxes[k], 90, 130, threshold)).sum().item<int64_t>();
    }
    CHECK(different <= 3);  // of 351,000: samples within a rounding of the threshold
    CHECK(out.sum().item<int64_t>() > 10000);
    for (const int threads : {1, 2, 3}) {
      const Threads use(threads);
      CHECK(torch::equal(paste_masks(masks, boxes, 90, 130, threshold), out));
    }
  }
}

TEST_CASE("operators on boxes refuse what they cannot use", "[boxes]") {
  const auto boxes = rows({0, 0, 1, 1, 2, 2, 3, 3}), scores = torch::tensor({0.5f, 0.6f});
  const auto with = [&](float value) {
    auto changed = boxes.clone();
    changed[1][2] = value;
    return changed;
  };
  const auto refuses = [](const auto& call, const std::string& what) {
    CHECK_THROWS_AS(call(), InvalidArgument);
    CHECK_THROWS_WITH(call(), Catch::Contains(what));
  };
  refuses([&] { nms(boxes, torch::tensor({0.5f, NAN}), 0.5); }, "[nms] score 1 is NaN");
  refuses([&] { nms(boxes, scores, 1.5); }, "iou_threshold is 1.5");
  refuses([&] { nms(boxes, scores, NAN); }, "iou_threshold is nan");
  refuses([&] { nms(boxes, scores[0], 0.5); }, "scores is []");
  refuses([&] { nms(boxes, scores.to(torch::kDouble), 0.5); }, "scores is [2] double");
  refuses([&] { nms(with(NAN), scores, 0.5); }, "boxes holds nan in row 1");
  refuses([&] { batched_nms(with(INFINITY), scores, torch::tensor({0, 1}), 0.5); }, "boxes holds inf in row 1");
  refuses([&] { batched_nms(boxes, scores, torch::tensor({0, 1}, torch::kInt), 0.5); }, "ids is [2] int");
  refuses([&] { pairwise_iou(boxes, boxes.view({4, 2})); }, "b is [4, 2] float");
  refuses([&] { pairwise_iof(boxes.to(torch::kDouble), boxes); }, "a is [2, 4] double");
  const auto masks = uniform({2, 5, 5}, 1);
  refuses([&] { paste_masks(masks, boxes.slice(0, 0, 1), 9, 9, 0.5); }, "boxes is [1, 4]");
  refuses([&] { paste_masks(masks, boxes, 0, 9, 0.5); }, "the image is 0x9");
  refuses([&] { paste_masks(masks, boxes, 9, 9, -0.1); }, "threshold is -0.1");
  refuses([&] { paste_masks(masks[0], boxes, 9, 9, 0.5); }, "masks is [5, 5]");
  refuses([&] { box_encode(boxes, rows({0, 0, 1, 1, 2, 2, 2, 3})); }, "target 1 has no area");
  refuses([&] { box_encode(boxes, boxes, {1, 1, 0, 1}); }, "four positive ones");
  refuses([&] { box_decode(with(NAN), boxes); }, "a box is NaN");
  refuses([&] { box_decode(boxes, rows({1, 2, 3}, 3)); }, "deltas is [1, 3]");
  refuses([&] { box_decode(boxes, boxes, {1, 1, 1, 1}, {{0, 5}}); }, "image is [0, 5]");
}
