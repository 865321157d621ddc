#include <support/catch.h>

#include <models/training/scores.h>

namespace retentive::models {
namespace {

Scores classifier(double top1, double loss) { return {.top1 = top1, .loss = loss}; }

Scores detector(double box_ap, std::optional<double> mask_ap = std::nullopt) {
  return {.box_ap = box_ap, .box_ap50 = 0.75, .mask_ap = mask_ap};
}

}  // namespace

TEST_CASE("classifiers are compared by top-1, then by loss", "[scores]") {
  CHECK(better(classifier(0.9, 3), classifier(0.8, 1)));
  CHECK_FALSE(better(classifier(0.8, 1), classifier(0.9, 3)));
  CHECK(better(classifier(0.9, 1), classifier(0.9, 2)));
  CHECK_FALSE(better(classifier(0.9, 1), classifier(0.9, 1)));
}

TEST_CASE("language models are compared by loss", "[scores]") {
  CHECK(better({.bits_per_byte = 2, .loss = 1}, {.bits_per_byte = 1, .loss = 2}));
  CHECK_FALSE(better({.bits_per_byte = 1, .loss = 2}, {.bits_per_byte = 2, .loss = 1}));
}

TEST_CASE("detectors are compared by the average precision of all that they give", "[scores]") {
  CHECK(better(detector(0.5), detector(0.4)));
  CHECK_FALSE(better(detector(0.4), detector(0.5)));
  CHECK(better(detector(0.4, 0.4), detector(0.5, 0.2)));
  CHECK_FALSE(better(detector(0.5, 0.2), detector(0.4, 0.4)));
  CHECK_FALSE(better(detector(0.4, 0.4), detector(0.4, 0.4)));
  // Undefined, as where nothing is annotated, is the least of all.
  CHECK(better(detector(0), detector(-1)));
  CHECK_FALSE(better(detector(-1), detector(-1)));
}

TEST_CASE("scores as text", "[scores]") {
  CHECK(scores_text(classifier(0.932, 0.211)) == "top-1 93.20 % (loss 0.2110)");
  CHECK(scores_text({.bits_per_byte = 1.932, .loss = 3.4}) == "1.9320 bits/byte (loss 3.4000)");
  CHECK(scores_text(detector(0.471)) == "box AP 0.471 (AP50 0.750)");
  CHECK(scores_text(detector(0.471, 0.4264)) == "box AP 0.471 (AP50 0.750), mask AP 0.426");
}

}  // namespace retentive::models
