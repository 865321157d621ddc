#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <datasets/augment.h>
#include <datasets/detection_augment.h>
#include <models/config.h>
#include <models/training/optimizer.h>
#include <models/training/schedule.h>
#include <retention/base/enum_names.h>
#include <retention/base/export.h>
#include <retention/base/form.h>
#include <vision/structures.h>

namespace retentive::models {

/// Kinds of data that training reads: labelled images, images with annotated objects, or text.
enum class DataKind { mnist, image_folder, coco, text };

/// Arithmetic of training.
enum class TrainPrecision { fp32 };

struct ModelSection {
  std::string name;
  std::optional<ModelConfig> config;
  std::string weights;
  Form form = Form::auto_;
  int64_t chunk = 0;
  int64_t frozen_layers = 0;
  bool freeze_norms = false;

  /// Calls f(name, member, help) for every field, in order; so do all structs of this file.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("name", self.name, "row of the model registry (see `retentive models`)");
    f("config", self.config, "a full model configuration, in place of a name; num_classes comes from the data");
    f("weights", self.weights, "weights file to start from; a head of another class count is left fresh");
    f("form", self.form, "form of causal retention in training; all give the same result");
    f("chunk", self.chunk, "tokens of a chunk of the chunkwise form; 0 = the model's");
    f("frozen_layers", self.frozen_layers, "detectors: first layers of the backbone that learn nothing; 1 = the stem");
    f("freeze_norms", self.freeze_norms, "detectors: batch norms of the backbone keep their statistics and values");
  }
};

struct DataSection {
  DataKind kind = DataKind::image_folder;
  std::string train;
  std::string train_labels;
  std::string validation;
  std::string validation_labels;
  double validation_fraction = 0;
  std::vector<std::string> classes;
  bool ignore_orientation = false;
  int64_t workers = 2;
  std::string tokenizer;
  int64_t sequence_length = 512;
  int64_t validation_window = 0;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("kind", self.kind, "format of the sets");
    f("train", self.train,
      "training set: a folder with one folder a class, an idx3 file (mnist), a folder of images (coco), or a file or "
      "folder of .txt (text)");
    f("train_labels", self.train_labels, "mnist: idx1 file of the training labels; coco: .json of the annotations");
    f("validation", self.validation, "validation set, like train; empty = a part of the training set");
    f("validation_labels", self.validation_labels, "as train_labels, of the validation set");
    f("validation_fraction", self.validation_fraction,
      "part of the training set kept for validation without a set; of text, the end of each file");
    f("classes", self.classes, "mnist: class names by label; empty = the digits 0 to 9");
    f("ignore_orientation", self.ignore_orientation,
      "coco: leave EXIF-turned images as they are stored, for annotations made so");
    f("workers", self.workers, "threads that read and augment images; 0 = the training thread does");
    f("tokenizer", self.tokenizer,
      "text: \"bytes\", a tokenizer.json or SentencePiece model; empty = that of the weights");
    f("sequence_length", self.sequence_length, "text: tokens of a row; rows hold documents one after another");
    f("validation_window", self.validation_window,
      "text: tokens that validation reads together; 0 = each document as one stream with carried state");
  }
};

struct EmaSection {
  double decay = 0;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("decay", self.decay, "decay of the moving average of the weights; 0 = none");
  }
};

struct RunSection {
  std::string output_dir = "runs/train";
  int64_t seed = 0;
  int64_t batch_size = 128;
  int64_t threads = 0;
  TrainPrecision precision = TrainPrecision::fp32;
  bool grad_checkpointing = false;
  int64_t save_every = 1;
  int64_t log_interval = 50;
  std::string license;
  std::string notes;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("output_dir", self.output_dir, "where the weights, the state and the log go");
    f("seed", self.seed, "decides initial weights, order, augmentation and drop path");
    f("batch_size", self.batch_size,
      "images or rows of text a step; the last incomplete batch of an epoch is left out");
    f("threads", self.threads, "threads of the model; 0 = all cores. Equal bits need equal threads");
    f("precision", self.precision, "arithmetic");
    f("grad_checkpointing", self.grad_checkpointing, "recompute activations in the backward pass to save memory");
    f("save_every", self.save_every, "epochs between two state files; the last epoch is always saved");
    f("log_interval", self.log_interval, "steps between two progress lines when stderr is no terminal");
    f("license", self.license, "licence of the trained weights, written into their file");
    f("notes", self.notes, "free text, written into the weights file");
  }
};

/// Everything a training run depends on. Paths are relative to the current directory.
struct RunConfig {
  ModelSection model;
  DataSection data;
  std::optional<vision::Preprocessing> preprocessing;
  datasets::AugmentConfig augment;
  datasets::DetectionAugment detection_augment;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  EmaSection ema;
  RunSection run;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("model", self.model, "what is trained");
    f("data", self.data, "what it learns from");
    f("preprocessing", self.preprocessing, "input transform; null = that of the model's registry row");
    f("augment", self.augment, "training-time augmentation, mixing and label smoothing");
    f("detection_augment", self.detection_augment, "the same for images with annotated objects (coco)");
    f("optimizer", self.optimizer, "update rule");
    f("schedule", self.schedule, "length of the run and course of the learning rate");
    f("ema", self.ema, "moving average of the weights");
    f("run", self.run, "seed, sizes, output");
  }

  /// Throws ConfigError naming the first field that cannot be.
  RETENTIVE_API void validate() const;
};

/// Reads a configuration; `where` names it in messages, `overrides` are `section.key=value` with the value in JSON or,
/// failing that, a plain string. Throws ConfigError for an unknown key (naming the nearest) or a wrong value.
RETENTIVE_API RunConfig parse_run_config(const std::string& json_text, const std::string& where,
                                         const std::vector<std::string>& overrides = {});

/// parse_run_config() of a file. Throws ConfigError also when it cannot be read.
RETENTIVE_API RunConfig read_run_config(const std::filesystem::path& path,
                                        const std::vector<std::string>& overrides = {});

/// The whole configuration as JSON, every field written out.
RETENTIVE_API std::string run_config_json(const RunConfig& config);

/// First field (`section.key`) in which two configurations differ in a way that changes the result of a run, with both
/// values in JSON; nothing when there is none. Output, notes, saving, logging, worker and thread counts may differ.
RETENTIVE_API std::optional<FieldDifference> first_difference(const RunConfig& ours, const RunConfig& theirs);

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::DataKind> {
  using Kind = retentive::models::DataKind;
  static constexpr std::array<std::pair<Kind, std::string_view>, 4> table = {
      {{Kind::mnist, "mnist"}, {Kind::image_folder, "image_folder"}, {Kind::coco, "coco"}, {Kind::text, "text"}}};
};

template <>
struct retentive::EnumNames<retentive::models::TrainPrecision> {
  using Precision = retentive::models::TrainPrecision;
  static constexpr std::array<std::pair<Precision, std::string_view>, 1> table = {{{Precision::fp32, "fp32"}}};
};
