#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <optional>

#include <nlohmann/json.hpp>

#include <apps/command.h>
#include <apps/contact_sheet.h>
#include <apps/drawing_folder.h>
#include <apps/image_paths.h>
#include <apps/own_page.h>
#include <apps/progress.h>
#include <apps/visual_figures.h>
#include <datasets/image_io.h>
#include <models/model_folder.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detector.h>
#include <models/pipelines/visualizer.h>
#include <retention/base/error.h>
#include <retention/base/output_file.h>
#include <retention/base/run_files.h>

namespace retentive::apps {
namespace {

namespace fs = std::filesystem;
using models::Visualizer;
using models::VisualKind;

constexpr const char* kHelp =
    R"(Pictures that explain a model: what its heads look at, what speaks for a class

  retentive visualize --out pictures/ digit.png                    # all that the built-in classifier has to show
  retentive visualize --out pictures/ --kind decay,attention --stage 1 --block 2 --token 3,4 digit.png
  retentive visualize --out pictures/ --kind grad-cam --class 7 assets/samples/   # evidence for a 7, in each of them
  retentive visualize --out pictures/ --model vir_nano digit.png
  retentive visualize --out pictures/ --model mask_rcnn_rmt_nano scene.jpg        # a detector
  retentive visualize --out pictures/ --weights mine.safetensors photos/

--out receives index.html, which shows all pictures with captions and needs nothing else, and every picture as PNG:
  decay            how fast each head forgets with distance, from the model's own gammas
  attention        the weights with which one token takes up all others in one block, per head
  receptive-field  which pixels move one token's features, mean over all images
  grad-cam         where a classifier finds evidence for a class
  features         a map's first three principal components as colours
  detections       what a detector finds)";

struct Flags {
  std::vector<std::string> paths;
  std::string weights;
  std::string model;
  std::vector<std::string> kinds;
  std::string class_name;
  std::string out;
  models::Place place;
  double max_megapixels = 64;
  bool json = false;
};

constexpr const char* kWhere = "visualize";
constexpr const char* kPage = "index.html";
constexpr const char* kPageMark = "Made by retentive visualize";

/// Before anything is read: what may be written is neither an input nor somebody else's page.
void check_files(const Flags& flags, const std::vector<fs::path>& images) {
  check_own_page(fs::path(flags.out) / kPage, kPageMark, kWhere);
  std::vector<std::string> names = {kPage, "receptive-field.png"};
  auto kinds = flags.kinds;
  if (kinds.empty()) {
    for (const auto& [kind, name] : EnumNames<VisualKind>::table) kinds.emplace_back(name);
  }
  DrawingNames drawings;
  for (const auto& image : images) {
    const auto beginning = drawings.next(image, "_");
    for (const auto& kind : kinds) names.push_back(beginning + kind + ".png");
  }
  RunFiles files(kWhere);
  files.read_all(images).read_all(models::model_files(flags.weights));
  files.write_below("--out", flags.out, names).check();
}

Visualizer load_visualizer(const Flags& flags) {
  const models::VisualizerOptions options{flags.model, static_cast<int64_t>(flags.max_megapixels * 1e6)};
  if (!flags.weights.empty()) return Visualizer::from_file(flags.weights, options);
  if (!flags.model.empty()) return Visualizer::from_name(flags.model, options);
  std::cerr << "model: " << models::kDefaultClassifier
            << ", built in; it recognises handwritten digits (0-9). Others: --model NAME, or --weights FILE\n";
  return Visualizer::from_name(models::kDefaultClassifier, options);
}

models::Detector load_detector(const Flags& flags) {
  models::DetectorOptions options;
  options.max_pixels = static_cast<int64_t>(flags.max_megapixels * 1e6);
  if (flags.weights.empty()) return models::Detector::from_name(flags.model, options);
  options.model = flags.model;
  return models::Detector::from_file(flags.weights, options);
}

/// "ROW,COL" as two numbers. Throws CLI::ValidationError.
std::array<int64_t, 2> parse_token(const std::string& text) {
  std::array<int64_t, 2> token{};
  const char* end = text.data() + text.size();
  const auto row = std::from_chars(text.data(), end, token[0]);
  if (row.ec == std::errc() && row.ptr != end && *row.ptr == ',') {
    const auto column = std::from_chars(row.ptr + 1, end, token[1]);
    if (column.ec == std::errc() && column.ptr == end) return token;
  }
  throw CLI::ValidationError("--token", "\"" + text + "\" is not accepted; give ROW,COL such as 3,4, from 0");
}

/// One run of the subcommand.
class VisualizeRun {
 public:
  VisualizeRun(const Flags& flags, std::vector<fs::path> images)
      : flags_(flags),
        images_(std::move(images)),
        visualizer_(load_visualizer(flags)),
        kinds_(visualizer_.kinds()),
        folder_(flags.out, kWhere) {
    if (!flags.kinds.empty()) kinds_ = given_kinds();
    for (const auto kind : kinds_) visualizer_.require(kind);
    visualizer_.check(flags.place);
    if (!flags.class_name.empty()) class_ = visualizer_.find_class(flags.class_name);
    if (wants(VisualKind::detections)) detector_ = load_detector(flags);
  }

  int run() {
    ProgressMeter progress(static_cast<int64_t>(images_.size()), "images");
    for (const auto& path : images_) {
      visualize(path, progress);
      progress.advance();
    }
    write_sheet();
    return failed_ ? kSomeFailed : kSuccess;
  }

 private:
  /// The mean receptive field of images of one size.
  struct Field {
    models::Spot spot;
    datasets::MapMean mean;
  };

  std::vector<VisualKind> given_kinds() const {
    std::vector<VisualKind> given;
    for (const auto& name : flags_.kinds) given.push_back(*enum_value<VisualKind>(name));
    return given;
  }

  bool wants(VisualKind kind) const { return std::find(kinds_.begin(), kinds_.end(), kind) != kinds_.end(); }

  void visualize(const fs::path& path, ProgressMeter& progress) {
    SheetSection section{path.string(), "", {}};
    std::optional<models::ItemError> error;
    try {
      const auto image = visualizer_.decode(path);
      if (wants(VisualKind::receptive_field)) add_field(visualizer_.receptive_field(image, flags_.place));
      section.figures = figures_of(image);
    } catch (const Error& failure) {
      error = models::ItemError{failure.kind(), failure.what()};
    } catch (const std::bad_alloc&) {
      error =
          models::ItemError{"DataError", "[visualize] " + path.string() + " does not fit into memory; scale it down"};
    }
    const auto files = write_figures(section.figures, folder_.place(path, "_").string());
    progress.hide();
    write_record(path, files, error);
    failed_ = failed_ || error;
    if (error) section.note = error->message;
    sections_.push_back(std::move(section));
  }

  std::vector<Figure> figures_of(const vision::Image& image) const {
    const auto view = visualizer_.view(image);
    std::vector<Figure> figures;
    if (detector_) figures.push_back(detections_figure(detector_->detect(image), detector_->labels(), image));
    if (wants(VisualKind::grad_cam)) {
      figures.push_back(class_figure(visualizer_.grad_cam(image, class_, flags_.place), view));
    }
    if (wants(VisualKind::features)) {
      figures.push_back(features_figure(visualizer_.features(image, flags_.place), view));
    }
    if (wants(VisualKind::attention)) {
      figures.push_back(attention_figure(visualizer_.attention(image, flags_.place), view));
    }
    if (wants(VisualKind::decay)) figures.push_back(decay_figure(visualizer_.decay(image, flags_.place), view));
    return figures;
  }

  void add_field(const models::SpotMap& field) {
    auto& mean = fields_[{field.map.height, field.map.width}];
    mean.spot = field.spot;
    mean.mean.add(field.map);
  }

  static std::vector<std::string> write_figures(const std::vector<Figure>& figures, const std::string& beginning) {
    std::vector<std::string> files;
    for (const auto& figure : figures) {
      files.push_back(beginning + figure.kind + ".png");
      datasets::write_image(files.back(), figure.picture);
    }
    return files;
  }

  void write_record(const fs::path& path, const std::vector<std::string>& files,
                    const std::optional<models::ItemError>& error) const {
    if (flags_.json) {
      nlohmann::ordered_json record = {{"path", path.string()}};
      if (error) {
        record["error"] = {{"type", error->type}, {"message", error->message}};
      } else {
        record["pictures"] = files;
      }
      // File names need not be UTF-8, JSON must.
      std::cout << record.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    } else if (error) {
      std::cerr << "error: " << error->message << "\n";
    } else {
      std::cout << path.string() << ":";
      for (const auto& file : files) std::cout << " " << file;
      std::cout << "\n";
    }
    std::cout.flush();
  }

  void write_sheet() {
    std::vector<Figure> common;
    for (const auto& [size, field] : fields_) {
      common.push_back(receptive_field_figure({field.spot, field.mean.mean()}, field.mean.count()));
      if (fields_.size() > 1) {
        common.back().kind += "_" + std::to_string(size.first) + "x" + std::to_string(size.second);
      }
    }
    write_figures(common, (fs::path(flags_.out) / "").string());
    if (!common.empty()) sections_.push_back({"All images", "", std::move(common)});
    const auto& name = visualizer_.model_name();
    const auto html =
        contact_sheet_html("What " + (name.empty() ? "the model" : name) + " sees", introduction(), sections_);
    const auto path = fs::path(flags_.out) / kPage;
    write_output(path, kWhere, html);
    std::cerr << "contact sheet: " << path.string() << "\n";
  }

  std::string introduction() const {
    const auto weights = flags_.weights.empty() ? "built-in weights" : "weights of " + flags_.weights;
    return std::string(kPageMark) + " with " + weights +
           ", in float32. A token is a cell of the grid that a stage works on; grids and pixels are those of the "
           "network's input, to which images are resized first.";
  }

  const Flags& flags_;
  std::vector<fs::path> images_;
  Visualizer visualizer_;
  std::vector<VisualKind> kinds_;
  DrawingFolder folder_;
  std::optional<int64_t> class_;
  std::optional<models::Detector> detector_;
  std::map<std::pair<int64_t, int64_t>, Field> fields_;
  std::vector<SheetSection> sections_;
  bool failed_ = false;
};

}  // namespace

Command visualize_command() {
  return {"visualize", "Pictures that explain a model", [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            app.description(kHelp);
            app.add_option("--out", flags->out, "folder for index.html and the pictures")->required();
            app.add_option("--weights", flags->weights, "weights file, .safetensors or .pth; default: built-in digits");
            app.add_option("--model", flags->model, "registered model (see `retentive models`)");
            app.add_option("--kind", flags->kinds, "kinds with commas between; default: all that the model has")
                ->delimiter(',')
                ->allow_extra_args(false)
                ->check([](const std::string& name) {
                  if (enum_value<VisualKind>(name)) return std::string();
                  return "\"" + name + "\" is not accepted; give " + enum_choices<VisualKind>();
                });
            app.add_option(
                "--stage", flags->place.stage,
                "stage of the backbone, from 1; default: the last that has at least 12 x 12 tokens (grad-cam: "
                "4 x 4)");
            app.add_option("--block", flags->place.block, "block of that stage, from 1; default: its last");
            app.add_option_function<std::string>(
                "--token", [flags](const std::string& text) { flags->place.token = parse_token(text); },
                "ROW,COL in the stage's grid, from 0; default: the middle of the picture");
            app.add_option("--class", flags->class_name, "label or index for grad-cam; default: the likeliest class");
            app.add_flag("--json", flags->json, "one JSON object a line");
            app.add_option("--max-megapixels", flags->max_megapixels, "refuse larger images before decoding; 64")
                ->check(CLI::Range(1e-6, 1e6));
            app.add_option("paths", flags->paths, "image files, folders, quoted patterns, or - for a list on stdin")
                ->required();
            return [flags] {
              auto images = expand_image_paths(flags->paths, std::cin);
              check_files(*flags, images);
              return VisualizeRun(*flags, std::move(images)).run();
            };
          }};
}

}  // namespace retentive::apps
