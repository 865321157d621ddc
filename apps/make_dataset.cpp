#include <iostream>
#include <memory>
#include <string>

#include <apps/command.h>
#include <apps/progress.h>
#include <apps/text.h>
#include <datasets/composites.h>
#include <retention/base/parallel_for.h>

namespace retentive::apps {
namespace {

using datasets::CompositeInputs;
using datasets::CompositeOptions;

constexpr const char* kHelp =
    R"(A data set for a detector from a few pictures of your own. Objects come from cut-outs, CUTOUTS/CLASS/NAME.png with
a transparent surrounding (any image editor, or a phone that "lifts" a subject, makes them), or from digits in MNIST's
idx format, which become coloured strokes. Photographs without such objects serve as backgrounds.
OUT gets {train,val,test}/images/NNNNNN.jpg, annotations/{train,val,test}.json in COCO's format with boxes and masks of
what is visible, and splits.json with the sources of each split. No cut-out or photograph serves two splits: a folder
that holds the folders train, val and test is split already, anything else is split by the seed. The same seed, sources
and options make the same files.

  retentive make-dataset composites --cutouts mugs/ --backgrounds photos/ --out mugs-coco --flip 0.5
  retentive make-dataset composites --digits .deps/digits --backgrounds .deps/backgrounds --out digits-coco)";

struct Flags {
  CompositeInputs inputs;
  CompositeOptions options;
  std::string out;
  int threads = default_threads();
  bool force = false;
};

/// "3" or "1-6", as a range [min, max].
template <class T>
std::array<T, 2> parse_range(const std::string& text, const std::string& flag) {
  const auto number = [&](const std::string& part) {
    T value{};
    if (!CLI::detail::lexical_cast(part, value)) {
      throw CLI::ValidationError(flag, "\"" + text + "\" is not accepted; give MIN-MAX or one number");
    }
    return value;
  };
  const std::size_t dash = text.find('-', 1);
  if (dash == std::string::npos) return {number(text), number(text)};
  return {number(text.substr(0, dash)), number(text.substr(dash + 1))};
}

/// "256" or "256x320"; each side may be a range, as in "256-320x320-480".
void parse_size(const std::string& text, CompositeOptions& options) {
  const std::size_t cross = text.find('x');
  options.height = parse_range<int64_t>(text.substr(0, cross), "--size");
  options.width = cross == std::string::npos ? options.height : parse_range<int64_t>(text.substr(cross + 1), "--size");
}

int make_composites(const Flags& flags) {
  datasets::check_composites_output(flags.inputs, flags.options, flags.out, flags.force);
  const datasets::Composites composites(flags.inputs, flags.options);
  const auto& images = composites.options().images;
  ProgressMeter meter(images[0] + images[1] + images[2], "images");
  datasets::CompositeWriting writing;
  writing.threads = flags.threads;
  writing.force = flags.force;
  writing.progress = [&meter] { meter.advance(); };
  const auto summary = datasets::write_composites(composites, flags.out, writing);
  meter.hide();
  std::cout << flags.out << ": " << composites.class_names().size() << " classes\n";
  for (int split = 0; split < 3; ++split) {
    if (summary.images[split] == 0) continue;
    const auto lists = composites.lists(split);
    std::cout << padded(datasets::kCompositeSplits[split], 6) << with_commas(summary.images[split]) << " images, "
              << with_commas(summary.objects[split]) << " objects, from " << with_commas(std::ssize(lists.objects))
              << " cut-outs and " << with_commas(std::ssize(lists.backgrounds)) << " photographs\n";
  }
  if (const auto count = composites.duplicates().size(); count > 0) {
    std::cout << with_commas(static_cast<int64_t>(count)) << " sources left out: others have the same bytes\n";
  }
  return kSuccess;
}

void add_sources(CLI::App& app, Flags& flags) {
  auto& inputs = flags.inputs;
  app.add_option("--cutouts", inputs.cutouts, "folder of CLASS/NAME.png with transparency")->group("Sources");
  app.add_option("--digits", inputs.digits, "folder of {train,val,t1k}-{images-idx3,labels-idx1}-ubyte[.gz]")
      ->group("Sources");
  app.add_option("--mnist-images", inputs.digit_images, "idx3 file of digits, plain or .gz")->group("Sources");
  app.add_option("--mnist-labels", inputs.digit_labels, "idx1 file of their labels")->group("Sources");
  app.add_option("--backgrounds", inputs.backgrounds, "folder of photographs")->required()->group("Sources");
}

void add_output(CLI::App& app, Flags& flags) {
  auto& images = flags.options.images;
  const CLI::Range count(int64_t{0}, int64_t{10'000'000});
  app.add_option("--out", flags.out, "folder of the data set, new or empty")->required()->group("Output");
  app.add_flag("--force", flags.force,
               "replace the data set that an earlier run wrote to OUT; other files there are refused")
      ->group("Output");
  app.add_option("--train", images[0], "images to train on")->check(count)->group("Output")->capture_default_str();
  app.add_option("--val", images[1], "images to choose by")->check(count)->group("Output")->capture_default_str();
  app.add_option("--test", images[2], "images to judge by")->check(count)->group("Output")->capture_default_str();
  app.add_option_function<std::string>(
         "--size", [&flags](const std::string& text) { parse_size(text, flags.options); },
         "pixels HxW; each side may be a range: 256-320x320-480 (default 256x320)")
      ->group("Output");
  app.add_option("--threads", flags.threads, "threads; they do not change the result; default: all cores")
      ->check(CLI::Range(1, 1024))
      ->group("Output");
}

/// "--max-overlap" for max_overlap.
std::string flag_name(std::string name) {
  for (char& letter : name) letter = letter == '_' ? '-' : letter;
  return "--" + name;
}

/// A flag for each field that has none yet; numbers as they are, ranges as MIN-MAX.
void add_options(CLI::App& app, Flags& flags) {
  CompositeOptions::visit(flags.options, [&app](const std::string& name, auto& value, const std::string& help) {
    using Value = std::remove_reference_t<decltype(value)>;
    if (name == "images" || name == "shares" || name == "height" || name == "width") return;
    const std::string flag = flag_name(name);
    if constexpr (std::is_same_v<Value, std::array<int64_t, 2>> || std::is_same_v<Value, std::array<double, 2>>) {
      const auto parse = [&value, flag](const std::string& text) {
        value = parse_range<typename Value::value_type>(text, flag);
      };
      auto* option = app.add_option_function<std::string>(flag, parse, help)->group("Scenes");
      option->default_str(CLI::detail::to_string(value[0]) + "-" + CLI::detail::to_string(value[1]));
    } else if constexpr (!std::is_same_v<Value, std::array<int64_t, 3>> &&
                         !std::is_same_v<Value, std::array<double, 3>>) {
      app.add_option(flag, value, help)->capture_default_str()->group("Scenes");
    }
  });
}

}  // namespace

Command make_dataset_command() {
  return {"make-dataset", "Make a data set to train on from objects and photographs", [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            auto* composites = app.add_subcommand("composites", "objects put onto photographs, in COCO's format");
            app.require_subcommand(1);
            composites->footer(kHelp);
            add_sources(*composites, *flags);
            add_output(*composites, *flags);
            add_options(*composites, *flags);
            return [flags] { return make_composites(*flags); };
          }};
}

}  // namespace retentive::apps
