#include <filesystem>
#include <iostream>
#include <map>
#include <memory>

#include <apps/command.h>
#include <apps/detect_video.h>
#include <apps/detection_writer.h>
#include <apps/drawing_folder.h>
#include <apps/image_paths.h>
#include <apps/interrupt.h>
#include <apps/progress.h>
#include <datasets/coco.h>
#include <datasets/draw.h>
#include <datasets/image_folder.h>
#include <datasets/image_io.h>
#include <datasets/video/frame_source.h>
#include <models/detection/detect_dataset.h>
#include <models/labels.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detector.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

namespace fs = std::filesystem;
using models::Detector;
using models::ImageDetections;

constexpr const char* kHelp =
    R"(Find objects in images and videos

  retentive detect photos/ --draw out/                  # boxes, masks and names, drawn into out/
  retentive detect --weights mine.safetensors --threshold 0.5 --json *.jpg > found.jsonl
  retentive detect clip.mp4 --draw out/                 # every frame; out/clip.avi
  retentive detect --camera 0 --json
  retentive detect --weights mine.safetensors val/ --annotations val.json --threshold 0.001 --coco dt.json
  retentive eval coco --annotations val.json --results dt.json --type bbox)";

struct Flags {
  std::vector<std::string> paths;
  std::string weights;
  std::string model;
  std::string labels;
  std::vector<std::string> classes;
  std::string draw;
  std::string coco;
  std::string annotations;
  std::optional<int> camera;
  Precision precision = Precision::fp32;
  double threshold = 0.3;
  int64_t threads = 0;
  double max_megapixels = 64;
  bool json = false;
};

Detector load_detector(const Flags& flags) {
  models::DetectorOptions options;
  options.threads = flags.threads;
  options.precision = flags.precision;
  options.max_pixels = static_cast<int64_t>(flags.max_megapixels * 1e6);
  options.score_threshold = flags.threshold;
  options.classes = flags.classes;
  if (!flags.labels.empty()) options.labels = models::read_labels(flags.labels);
  if (!flags.weights.empty()) {
    options.model = flags.model;
    return Detector::from_file(flags.weights, options);
  }
  if (!flags.model.empty()) return Detector::from_name(flags.model, options);
  std::cerr << "model: " << models::kDefaultDetector
            << ", built in; it finds handwritten digits (0-9). Other objects need other weights: --weights FILE\n";
  return Detector::from_default(options);
}

/// Collects a COCO results file; with annotations, image and category ids are theirs.
class CocoSink {
 public:
  CocoSink(const Flags& flags, const std::vector<std::string>& labels) : path_(flags.coco) {
    if (path_.empty()) return;
    for (size_t i = 0; i < labels.size(); ++i) category_ids_.push_back(static_cast<int64_t>(i) + 1);
    if (flags.annotations.empty()) {
      std::cerr << "note: --coco without --annotations numbers images from 1 in the order of the input, and classes "
                   "from 1\n";
      return;
    }
    const auto truth = datasets::read_coco(flags.annotations);
    for (const auto& image : truth.images) image_ids_[fs::path(image.file_name).filename()] = image.id;
    for (size_t i = 0; i < labels.size(); ++i) category_ids_[i] = category_id(truth, labels[i]);
    matched_ = true;
  }

  void add(const ImageDetections& item) {
    ++position_;
    if (path_.empty() || item.error) return;
    const auto id = image_id(item.path);
    for (auto detection : item.detections) {
      results_.push_back(models::to_coco(std::move(detection), id, category_ids_));
    }
  }

  void write() const {
    if (!path_.empty()) datasets::write_coco_results(path_, results_);
  }

 private:
  static int64_t category_id(const datasets::CocoAnnotations& truth, const std::string& label) {
    for (const auto& category : truth.categories) {
      if (category.name == label) return category.id;
    }
    throw DataError("[" + truth.name + "] has no category \"" + label +
                    "\", which the model tells; give the annotations that the model was trained for, or --labels");
  }

  int64_t image_id(const std::string& path) const {
    if (!matched_) return position_;
    const auto found = image_ids_.find(fs::path(path).filename());
    if (found != image_ids_.end()) return found->second;
    throw DataError("[" + path +
                    "] is not among the images of --annotations; leave it out, or do without --annotations");
  }

  std::string path_;
  std::map<fs::path, int64_t> image_ids_;
  std::vector<int64_t> category_ids_;
  bool matched_ = false;
  int64_t position_ = 0;
  std::vector<datasets::CocoResult> results_;
};

/// One run of the subcommand.
class DetectRun {
 public:
  explicit DetectRun(const Flags& flags)
      : flags_(flags),
        detector_(load_detector(flags)),
        writer_(flags.json, detector_.labels(), std::cout, std::cerr),
        coco_(flags, detector_.labels()),
        drawings_(flags.draw, "--draw") {}

  int run() {
    std::vector<fs::path> images, videos;
    if (!flags_.paths.empty()) {
      for (const auto& path : expand_paths(flags_.paths, std::cin, wanted_files())) {
        (datasets::has_video_extension(path) ? videos : images).push_back(path);
      }
    }
    if (!flags_.coco.empty() && (flags_.camera || !videos.empty())) {
      throw ConfigError("[detect] --coco holds images alone; leave videos and --camera out");
    }
    if (!images.empty()) detect_images(images);
    for (const auto& video : videos) {
      if (!interrupt_.requested()) detect_video(video);
    }
    const bool stopped = interrupt_.requested();  // a camera has no other end
    if (flags_.camera && !stopped) {
      detect_frames("camera " + std::to_string(*flags_.camera), datasets::FrameSource::open(*flags_.camera));
    }
    coco_.write();
    if (stopped) std::cerr << "note: stopped before all inputs were done; what was done is kept\n";
    return stopped ? kInterrupted : failed_ ? kSomeFailed : kSuccess;
  }

 private:
  void detect_images(const std::vector<fs::path>& paths) {
    ProgressMeter progress(static_cast<int64_t>(paths.size()), "images");
    const auto sink = [&](ImageDetections&& item, const vision::Image& image) {
      failed_ = failed_ || item.error.has_value();
      progress.hide();
      writer_.write(item);
      coco_.add(item);
      if (drawings_.wanted() && !item.error) {
        datasets::write_image(drawings_.place(item.path, ".jpg"), draw(image, item));
      }
      progress.advance();
    };
    detector_.detect_each(paths, sink, &interrupt_.requested());
  }

  // What is looked for in folders.
  PathFilter wanted_files() const {
    const bool videos = flags_.coco.empty();
    return [videos](const fs::path& path) {
      return datasets::has_image_extension(path) || (videos && datasets::has_video_extension(path));
    };
  }

  void detect_video(const fs::path& path) {
    try {
      detect_frames(path.string(), datasets::FrameSource::open(path, decode_options()));
    } catch (const Error& error) {
      failed_ = true;
      ImageDetections item;
      item.path = path.string();
      item.error = models::ItemError{error.kind(), error.what()};
      writer_.write(item);
    }
  }

  void detect_frames(const std::string& name, datasets::FrameSource source) {
    const auto drawing = drawings_.wanted() ? std::optional(drawings_.place(name, ".avi")) : std::nullopt;
    apps::detect_frames(name, std::move(source), detector_, writer_, drawing, interrupt_.requested());
  }

  datasets::DecodeOptions decode_options() const { return {static_cast<int64_t>(flags_.max_megapixels * 1e6)}; }

  vision::Image draw(const vision::Image& image, const ImageDetections& item) const {
    return datasets::draw_detections(image, item.detections, detector_.labels());
  }

  const Flags& flags_;
  Detector detector_;
  DetectionWriter writer_;
  CocoSink coco_;
  DrawingFolder drawings_;
  InterruptScope interrupt_;
  bool failed_ = false;
};

}  // namespace

Command detect_command() {
  return {"detect", "Find objects in images and videos", [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            app.description(kHelp);
            app.add_option("--weights", flags->weights, "weights file, .safetensors or .pth; default: built-in digits");
            app.add_option("--model", flags->model, "registered model (see `retentive models`)");
            app.add_option("--labels", flags->labels, "text file of class names, one a line, instead of the model's");
            app.add_option("--threshold", flags->threshold, "least score of a detection, 0.3 by default")
                ->check(CLI::Range(0.0, 1.0));
            app.add_option("--classes", flags->classes, "only these classes: names with commas between")
                ->delimiter(',')
                ->allow_extra_args(false);
            app.add_option("--draw", flags->draw, "folder for pictures and videos with what was found drawn in");
            app.add_flag("--json", flags->json, "one JSON object a line");
            auto* coco = app.add_option("--coco", flags->coco, "also write a COCO results file");
            app.add_option("--annotations", flags->annotations,
                           "COCO annotations whose image and category ids --coco takes")
                ->needs(coco);
            app.add_option("--camera", flags->camera, "number of a camera, 0 = the first")->check(CLI::Range(0, 1024));
            app.add_option("--threads", flags->threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
            add_enum_option(app, "--precision", flags->precision, "number type of the network");
            app.add_option("--max-megapixels", flags->max_megapixels, "refuse larger images before decoding; 64")
                ->check(CLI::Range(1e-6, 1e6));
            app.add_option("paths", flags->paths, "images, videos, folders, quoted patterns, or - for a list on stdin");
            app.parse_complete_callback([flags] {
              if (flags->paths.empty() && !flags->camera) throw CLI::RequiredError("paths (or --camera)");
            });
            return [flags] { return DetectRun(*flags).run(); };
          }};
}

}  // namespace retentive::apps
