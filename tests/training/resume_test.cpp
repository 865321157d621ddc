#include <support/catch.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <training/run_bits.h>
#include <training/synthetic.h>

#include <datasets/image_io.h>
#include <models/training/data_fingerprint.h>
#include <models/training/run_lock.h>
#include <models/training/run_state.h>
#include <models/training/schedule.h>
#include <models/training/trainer.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::file_bytes;
using testing::run_and_stop;
using testing::synthetic_run;
using testing::TemporaryFolder;

constexpr int64_t kStepsPerEpoch = 6;  // 192 images, 32 a batch

void write_file(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

fs::path state_of(const RunConfig& config) { return fs::path(config.run.output_dir) / "last.state.safetensors"; }

void resume(const RunConfig& config, const ResumeOptions& options = {}) { Trainer(config).resume(options); }

// The trained tensors, without what the state says beside them.
std::string tensors_of(const RunConfig& config) {
  std::string bits;
  for (const auto& [name, tensor] : read_tensors(state_of(config)).tensors) {
    bits += name + std::string(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  return bits;
}

std::string resume_error(const RunConfig& config) {
  try {
    resume(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The same file with one byte in its middle changed.
void change_byte(const fs::path& path) {
  auto bytes = file_bytes(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  write_file(path, bytes);
}

}  // namespace

TEST_CASE("a flipped bit anywhere in a state is refused", "[resume]") {
  const TemporaryFolder folder;
  const auto config = synthetic_run(folder);
  run_and_stop(config, 2);
  const auto path = state_of(config);
  const auto good = file_bytes(path);
  REQUIRE_NOTHROW(read_run_state(path));
  // All over the file: header, configuration, counters, weights, moments.
  const size_t stride = good.size() / 400 + 1;
  for (size_t i = 0; i < good.size(); i += stride) {
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    write_file(path, bad);
    INFO("byte " << i << " of " << good.size());
    CHECK_THROWS_AS(read_run_state(path), CheckpointError);
  }
  auto bad = good;
  bad[good.size() - 100] = static_cast<char>(bad[good.size() - 100] ^ 1);
  write_file(path, bad);
  CHECK_THAT(resume_error(config), Contains("last.state.safetensors") && Contains("checksum"));
  write_file(path, good);
  CHECK(resume_error(config) == "no error");
}

TEST_CASE("changed data of equal size are refused by field", "[resume]") {
  const TemporaryFolder folder;
  const auto config = synthetic_run(folder);
  run_and_stop(config, 2);
  for (const auto& [file, field] :
       {std::pair{config.data.train, "data.train"}, std::pair{config.data.validation, "data.validation"}}) {
    const auto good = file_bytes(file);
    change_byte(file);
    CHECK_THAT(resume_error(config), Contains("[train] " + std::string(field) + " is not") && Contains("2 files"));
    write_file(file, good);
    CHECK(resume_error(config) == "no error");
  }
  auto labels = file_bytes(config.data.train_labels);
  std::swap(labels[20], labels[21]);
  write_file(config.data.train_labels, labels);
  CHECK_THAT(resume_error(config), Contains("data.train is not"));
}

TEST_CASE("changed pictures and texts are refused, files that are not read are free to come", "[resume]") {
  const TemporaryFolder folder;
  datasets::Rng rng(3);
  for (int64_t i = 0; i < 24; ++i) {
    const fs::path place = folder / ("pictures/" + std::string(1, static_cast<char>('a' + i % 3)));
    fs::create_directories(place);
    datasets::write_image(place / (std::to_string(i) + ".pgm"), testing::synthetic_image(i % 3, rng));
  }
  auto config = synthetic_run(folder);
  config.data = {};
  config.data.train = folder / "pictures";
  config.data.validation_fraction = 0.25;
  config.run.batch_size = 6;
  run_and_stop(config, 1);
  write_file(folder / "pictures/a/notes.txt", "not a picture");
  CHECK(resume_error(config) == "no error");
  const fs::path one = folder / "pictures/a/0.pgm", two = folder / "pictures/b/1.pgm";
  const auto picture = file_bytes(one), other = file_bytes(two);
  change_byte(one);
  CHECK_THAT(resume_error(config), Contains("data.train is not") && Contains("24 files"));
  write_file(one, other);
  write_file(two, picture);
  CHECK_THAT(resume_error(config), Contains("data.train is not"));

  RunConfig text;
  text.model.name = "test_retnet";
  text.data.kind = DataKind::text;
  text.data.train = folder / "text.txt";
  text.data.tokenizer = "bytes";
  text.data.validation_fraction = 0.1;
  text.data.sequence_length = 16;
  text.run.batch_size = 2;
  text.run.threads = 1;
  text.run.output_dir = folder / "text";
  write_file(text.data.train, std::string(2000, 'a') + std::string(2000, 'b'));
  run_and_stop(text, 1);
  CHECK(resume_error(text) == "no error");
  change_byte(text.data.train);
  CHECK_THAT(resume_error(text), Contains("data.train is not") && Contains("1 file, 4000 bytes"));
}

TEST_CASE("large sets are sampled at even distances, first and last bytes included", "[resume][slow]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "large";
  write_file(path, "");
  const uintmax_t size = (uintmax_t{1} << 30) + (1 << 20);  // sparse
  fs::resize_file(path, size);
  const auto print = [&] { return fingerprint_files(folder / "", {path}); };
  const auto with_byte = [&](uintmax_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('x');
    file.close();
    return print();
  };
  const auto plain = print();
  CHECK_THAT(plain, Contains("1 file, " + std::to_string(size) + " bytes"));
  const auto last = with_byte(size - 1);
  CHECK(last != plain);
  CHECK(with_byte(0) != last);
}

TEST_CASE("one run at a time works in a folder", "[resume]") {
  const TemporaryFolder folder;
  const auto config = synthetic_run(folder);
  fs::create_directories(config.run.output_dir);
  const fs::path lock = fs::path(config.run.output_dir) / "run.lock";
  {
    const RunLock held(config.run.output_dir);
    CHECK(held.note().empty());
    CHECK_THAT(file_bytes(lock), Contains(std::to_string(getpid())));
    const auto owner = "in use by process " + std::to_string(getpid());
    CHECK_THROWS_WITH(Trainer(config).run(), Contains(owner) && Contains("--output"));
    CHECK_THROWS_AS(Trainer(config).run(), StateError);
    CHECK_THROWS_WITH(RunLock(folder / "./out/../out"), Contains(owner));
  }
  CHECK_FALSE(fs::exists(lock));
  run_and_stop(config, 1);
  CHECK_FALSE(fs::exists(lock));
  const RunLock held(config.run.output_dir);
  CHECK_THROWS_WITH(resume(config), Contains("in use by process"));
}

TEST_CASE("the lock of a process that was killed is taken over with a note", "[resume]") {
  const TemporaryFolder folder;
  const auto config = synthetic_run(folder);
  fs::create_directories(config.run.output_dir);
  const pid_t child = fork();
  if (child == 0) {
    const RunLock held(config.run.output_dir);
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  const fs::path lock = fs::path(config.run.output_dir) / "run.lock";
  REQUIRE(fs::exists(lock));
  const auto left = file_bytes(lock);
  std::vector<std::string> notes;
  TrainCallbacks callbacks;
  callbacks.note = [&](const std::string& note) { notes.push_back(note); };
  Trainer(config).run(callbacks);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Contains("took over") && Contains("process " + std::to_string(child)));

  // Whoever has the id today is not the one that wrote it.
  auto reused = left;
  const auto id = std::to_string(child);
  reused.replace(reused.find(id), id.size(), std::to_string(getppid()));
  write_file(lock, reused);
  CHECK_THAT(RunLock(config.run.output_dir).note(), Contains("process " + std::to_string(getppid())));

  // Whether a process of another machine lives cannot be seen.
  write_file(lock, R"({"process": 7, "host": "elsewhere", "boot": "other"})");
  CHECK_THROWS_WITH(RunLock(config.run.output_dir),
                    Contains("process 7 on elsewhere") && Contains("delete") && Contains("run.lock"));
  for (const std::string text : {"", "{", "what?"}) {
    write_file(lock, text);
    CHECK_NOTHROW(RunLock(config.run.output_dir));
    CHECK_FALSE(fs::exists(lock));
  }
}

TEST_CASE("added epochs keep the last rate or restart the schedule", "[resume][schedule]") {
  ScheduleConfig config{ScheduleKind::cosine, 4, 1, 0.1};
  config.extensions = {{6, false}, {9, true}, {10, false}};
  const Schedule schedule(config, 1, 5), first({ScheduleKind::cosine, 4, 1, 0.1}, 1, 5),
      again({ScheduleKind::cosine, 3, 1, 0.1}, 1, 5);
  CHECK(schedule.total_steps() == 50);
  for (int64_t step = 0; step < 20; ++step) CHECK(schedule.lr(step) == first.lr(step));
  for (int64_t step = 20; step < 30; ++step) CHECK(schedule.lr(step) == first.lr(19));
  for (int64_t step = 30; step < 45; ++step) CHECK(schedule.lr(step) == again.lr(step - 30));
  for (int64_t step = 45; step < 60; ++step) CHECK(schedule.lr(step) == again.lr(14));
  config.extensions = {{4, false}};
  CHECK_THROWS_WITH(Schedule(config, 1, 5), Contains("4 epochs is to be extended to 4") && Contains("give 8"));
  config.extensions = {{5, true}};  // as long as the warm-up
  CHECK_THROWS_WITH(Schedule(config, 1, 5), Contains("warmup_epochs"));
}

TEST_CASE("a run of a constant rate is extended bit for bit", "[resume]") {
  const TemporaryFolder folder;
  auto whole = synthetic_run(folder, "whole");
  whole.schedule = {ScheduleKind::constant, 4, 0.5, 1e-5};
  Trainer(whole).run();
  auto config = whole;
  config.schedule.epochs = 2;
  config.run.output_dir = folder / "extended";
  Trainer(config).run();
  CHECK_FALSE(tensors_of(config) == tensors_of(whole));

  auto raised = config;
  raised.schedule.epochs = 4;
  CHECK_THROWS_WITH(resume(raised), Contains("schedule.epochs is 4") && Contains("--extend-epochs 4"));
  CHECK_THROWS_WITH(resume(config, {.epochs = 2}), Contains("2 epochs is to be extended to 2") && Contains("give 4"));

  const auto train_on = [&](const RunConfig& run, const ResumeOptions& options, int64_t steps) {
    Trainer trainer(run);
    trainer.resume(options);
    std::atomic<bool> stop = false;
    TrainCallbacks callbacks;
    callbacks.step = [&, done = int64_t{0}](const StepReport& report) mutable {
      CHECK(report.epochs == 4);
      stop = ++done == steps;
    };
    return trainer.run(callbacks, &stop);
  };
  CHECK_FALSE(train_on(raised, {.epochs = 4}, kStepsPerEpoch + 2).finished);
  CHECK_FALSE(train_on(config, {.epochs = 4}, 1).finished);  // the same command again
  CHECK(train_on(config, {}, 0).finished);                   // the state knows
  CHECK(tensors_of(config) == tensors_of(whole));
  std::vector<std::string> notes;
  TrainCallbacks callbacks;
  callbacks.note = [&](const std::string& note) { notes.push_back(note); };
  Trainer done(config);
  done.resume();
  done.run(callbacks);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Contains("all its 4 epochs"));
}

}  // namespace retentive::models
