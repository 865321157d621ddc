#include <support/catch.h>

#include <models/training/schedule.h>
#include <retention/base/error.h>

namespace retentive::models {

TEST_CASE("cosine schedule has the documented values", "[schedule]") {
  const Schedule schedule({ScheduleKind::cosine, 4, 1, 0.1}, 1.0, 5);
  CHECK(schedule.total_steps() == 20);
  CHECK(schedule.warmup_steps() == 5);
  CHECK(schedule.lr(0) == Approx(0.2));
  CHECK(schedule.lr(3) == Approx(0.8));
  CHECK(schedule.lr(4) == Approx(1.0));
  CHECK(schedule.lr(5) == Approx(1.0));
  CHECK(schedule.lr(10) == Approx(0.775));  // a third of the way: 0.1 + 0.9 * 0.75
  CHECK(schedule.lr(15) == Approx(0.325));  // two thirds: 0.1 + 0.9 * 0.25
  CHECK(schedule.lr(19) == Approx(0.1 + 0.45 * (1 - 0.97814760073380569)));
  CHECK(schedule.lr(25) == schedule.lr(19));
}

TEST_CASE("constant schedule warms up and stays", "[schedule]") {
  const Schedule schedule({ScheduleKind::constant, 2, 0.5, 0.0}, 0.3, 8);
  CHECK(schedule.warmup_steps() == 4);
  CHECK(schedule.lr(1) == Approx(0.15));
  CHECK(schedule.lr(4) == 0.3);
  CHECK(schedule.lr(15) == 0.3);
  const Schedule cold({ScheduleKind::cosine, 1, 0, 0.0}, 0.3, 8);
  CHECK(cold.lr(0) == 0.3);
}

TEST_CASE("impossible schedules are refused by field", "[schedule]") {
  CHECK_THROWS_WITH(Schedule({ScheduleKind::cosine, 0, 0, 0}, 1, 5), Catch::Contains("epochs is 0"));
  CHECK_THROWS_WITH(Schedule({ScheduleKind::cosine, 3, 3, 0}, 1, 5), Catch::Contains("warmup_epochs"));
  CHECK_THROWS_WITH(Schedule({ScheduleKind::cosine, 3, 0, 2}, 1, 5), Catch::Contains("min_lr"));
  CHECK_THROWS_AS(Schedule({ScheduleKind::cosine, 3, 0, -1}, 1, 5), ConfigError);
}

}  // namespace retentive::models
