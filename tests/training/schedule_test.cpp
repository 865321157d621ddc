#include <support/catch.h>

#include <cmath>
#include <utility>

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

TEST_CASE("step schedule falls after each of its epochs", "[schedule]") {
  ScheduleConfig config{.kind = ScheduleKind::step, .epochs = 4, .warmup_epochs = 0.5, .min_lr = 0, .steps = {1, 3}};
  const Schedule schedule(config, 0.4, 6);
  CHECK(schedule.total_steps() == 24);
  CHECK(schedule.warmup_steps() == 3);
  CHECK(schedule.lr(0) == Approx(0.4 / 3));
  CHECK(schedule.lr(2) == Approx(0.4));
  CHECK(schedule.lr(5) == 0.4);
  CHECK(schedule.lr(6) == Approx(0.04));
  CHECK(schedule.lr(17) == Approx(0.04));
  CHECK(schedule.lr(18) == Approx(0.004));
  CHECK(schedule.lr(23) == Approx(0.004));
  CHECK(schedule.lr(100) == schedule.lr(23));
  config.step_factor = 0.5;
  CHECK(Schedule(config, 0.4, 6).lr(18) == Approx(0.1));
  config.kind = ScheduleKind::constant;
  CHECK(Schedule(config, 0.4, 6).lr(18) == 0.4);
}

TEST_CASE("impossible steps are refused by field", "[schedule]") {
  const auto with = [](std::vector<int64_t> steps, double factor = 0.1) {
    return Schedule({ScheduleKind::step, 12, 0, 0, std::move(steps), factor}, 1, 5);
  };
  CHECK_NOTHROW(with({8, 11}));
  CHECK_NOTHROW(with({8, 11}, 1));
  CHECK_THROWS_WITH(with({}), Catch::Contains("schedule.steps"));
  CHECK_THROWS_WITH(with({8, 8}), Catch::Contains("steps holds 8"));
  CHECK_THROWS_WITH(with({11, 8}), Catch::Contains("ascending"));
  CHECK_THROWS_WITH(with({0, 8}), Catch::Contains("steps holds 0"));
  CHECK_THROWS_WITH(with({8, 12}), Catch::Contains("steps holds 12 in a run of 12 epochs"));
  CHECK_THROWS_WITH(with({8}, 0), Catch::Contains("step_factor"));
  CHECK_THROWS_AS(with({8}, 1.5), ConfigError);
  CHECK_THROWS_AS(with({8}, NAN), ConfigError);
}

TEST_CASE("impossible schedules are refused by field", "[schedule]") {
  CHECK_THROWS_WITH(Schedule({ScheduleKind::cosine, 0, 0, 0}, 1, 5), Catch::Contains("epochs is 0"));
  CHECK_THROWS_WITH(Schedule({ScheduleKind::cosine, 3, 3, 0}, 1, 5), Catch::Contains("warmup_epochs"));
  CHECK_THROWS_WITH(Schedule({ScheduleKind::cosine, 3, 0, 2}, 1, 5), Catch::Contains("min_lr"));
  CHECK_THROWS_AS(Schedule({ScheduleKind::cosine, 3, 0, -1}, 1, 5), ConfigError);
}

}  // namespace retentive::models
