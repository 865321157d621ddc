#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include <apps/class_map.h>
#include <apps/coco_sink.h>
#include <apps/command.h>
#include <apps/detect_video.h>
#include <apps/detection_writer.h>
#include <apps/drawing_folder.h>
#include <apps/image_paths.h>
#include <apps/interrupt.h>
#include <apps/progress.h>
#include <datasets/draw.h>
#include <datasets/image_io.h>
#include <datasets/video/frame_source.h>
#include <models/labels.h>
#include <models/model_folder.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detector.h>
#include <retention/base/error.h>
#include <retention/base/run_files.h>

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
  std::string class_map;
  bool ignore_orientation = false;
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
  options.ignore_orientation = flags.ignore_orientation;
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

/// What the arguments stand for.
struct Inputs {
  std::vector<FoundImage> images;
  std::vector<std::string> videos;
};

constexpr const char* kPictureEnding = ".jpg";
constexpr const char* kVideoEnding = ".avi";

std::string camera_name(int number) { return "camera " + std::to_string(number); }

Inputs find_inputs(const Flags& flags) {
  const auto wanted = [&](const fs::path& path) {
    return datasets::has_image_extension(path) || (flags.coco.empty() && datasets::has_video_extension(path));
  };
  Inputs inputs;
  if (!flags.paths.empty()) {
    for (auto& found : find_images(flags.paths, std::cin, wanted)) {
      if (datasets::has_video_extension(found.path)) {
        inputs.videos.push_back(found.path.string());
      } else {
        inputs.images.push_back(std::move(found));
      }
    }
  }
  if (!flags.coco.empty() && (flags.camera || !inputs.videos.empty())) {
    throw ConfigError("[detect] --coco holds images alone; leave videos and --camera out");
  }
  return inputs;
}

/// Before anything is read: no output is an input, and all can be written.
void check_files(const Flags& flags, const Inputs& inputs) {
  RunFiles files("detect");
  files.read_all(models::model_files(flags.weights)).read(flags.labels).read(flags.annotations).read(flags.class_map);
  const auto images = paths_of(inputs.images);
  files.read_all(images).read_all(inputs.videos);
  if (std::find(flags.paths.begin(), flags.paths.end(), "-") != flags.paths.end()) files.read("-");
  DrawingNames names;
  std::vector<std::string> drawings;
  for (const auto& image : images) drawings.push_back(names.next(image, kPictureEnding));
  for (const auto& video : inputs.videos) drawings.push_back(names.next(video, kVideoEnding));
  if (flags.camera) drawings.push_back(names.next(camera_name(*flags.camera), kVideoEnding));
  files.write_below("--draw", flags.draw, drawings).check();
  const DrawingFolder folder(flags.draw, "detect");  // --coco may lie in it
  files.write("--coco", flags.coco).check();
}

/// One run of the subcommand.
class DetectRun {
 public:
  DetectRun(const Flags& flags, const Inputs& inputs)
      : flags_(flags),
        inputs_(inputs),
        detector_(load_detector(flags)),
        writer_(flags.json, detector_.labels(), std::cout, std::cerr),
        coco_({flags.coco, flags.annotations, flags.class_map, flags.ignore_orientation}, detector_.labels()),
        drawings_(flags.draw, "detect") {}

  int run() {
    if (!inputs_.images.empty()) detect_images(inputs_.images);
    for (const auto& video : inputs_.videos) {
      if (!interrupt_.requested()) detect_video(video);
    }
    const bool stopped = interrupt_.requested();  // a camera has no other end
    if (flags_.camera && !stopped) {
      const auto name = camera_name(*flags_.camera);
      detect_frames(name, datasets::FrameSource::open(*flags_.camera), drawings_.place(name, kVideoEnding));
    }
    coco_.write();
    if (stopped) std::cerr << "note: stopped before all inputs were done; what was done is kept\n";
    return stopped ? kInterrupted : failed_ ? kSomeFailed : kSuccess;
  }

 private:
  void detect_images(const std::vector<FoundImage>& images) {
    coco_.expect(images);
    const auto paths = paths_of(images);
    ProgressMeter progress(static_cast<int64_t>(paths.size()), "images");
    const auto sink = [&](ImageDetections&& item, const vision::Image& image) {
      failed_ = failed_ || item.error.has_value();
      progress.hide();
      writer_.write(item);
      const auto drawing = drawings_.place(item.path, kPictureEnding);
      if (drawings_.wanted() && !item.error) datasets::write_image(drawing, draw(image, item));
      coco_.add(std::move(item));
      progress.advance();
    };
    detector_.detect_each(paths, sink, &interrupt_.requested());
  }

  void detect_video(const std::string& path) {
    const auto drawing = drawings_.place(path, kVideoEnding);
    try {
      detect_frames(path, datasets::FrameSource::open(fs::path(path), decode_options()), drawing);
    } catch (const Error& error) {
      failed_ = true;
      ImageDetections item;
      item.path = path;
      item.error = models::ItemError{error.kind(), error.what()};
      writer_.write(item);
    }
  }

  void detect_frames(const std::string& name, datasets::FrameSource source, const fs::path& drawing) {
    apps::detect_frames(name, std::move(source), detector_, writer_,
                        drawings_.wanted() ? std::optional(drawing) : std::nullopt, interrupt_.requested());
  }

  datasets::DecodeOptions decode_options() const { return {static_cast<int64_t>(flags_.max_megapixels * 1e6)}; }

  vision::Image draw(const vision::Image& image, const ImageDetections& item) const {
    return datasets::draw_detections(image, item.detections, detector_.labels());
  }

  const Flags& flags_;
  const Inputs& inputs_;
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
            auto* annotations = app.add_option("--annotations", flags->annotations,
                                               "COCO annotations whose image and category ids --coco takes");
            annotations->needs(coco);
            add_class_map(app, flags->class_map)->needs(annotations);
            app.add_flag("--ignore-orientation", flags->ignore_orientation,
                         "leave EXIF-turned images as they are stored, for annotations made so");
            app.add_option("--camera", flags->camera, "number of a camera, 0 = the first")->check(CLI::Range(0, 1024));
            app.add_option("--threads", flags->threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
            add_enum_option(app, "--precision", flags->precision, "number type of the network");
            app.add_option("--max-megapixels", flags->max_megapixels, "refuse larger images before decoding; 64")
                ->check(CLI::Range(1e-6, 1e6));
            app.add_option("paths", flags->paths, "images, videos, folders, quoted patterns, or - for a list on stdin");
            app.parse_complete_callback([flags] {
              if (flags->paths.empty() && !flags->camera) throw CLI::RequiredError("paths (or --camera)");
            });
            return [flags] {
              const auto inputs = find_inputs(*flags);
              check_files(*flags, inputs);
              return DetectRun(*flags, inputs).run();
            };
          }};
}

}  // namespace retentive::apps
