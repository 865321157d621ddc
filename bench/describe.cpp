#include <bench/describe.h>

#include <retention/base/enum_names.h>
#include <retention/base/error.h>
#include <vision/rmt.h>
#include <vision/vir.h>

namespace retentive::bench {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

// The configuration of the backbone: f(RmtConfig) or f(VirConfig).
template <class F>
auto with_backbone(const models::ModelConfig& config, const F& f) {
  const auto of_detector = [&](const auto& detector) { return std::visit(f, detector.backbone); };
  return std::visit(
      Overloaded{[&](const vision::RmtConfig& rmt) { return f(rmt); },
                 [&](const vision::VirConfig& vir) { return f(vir); },
                 [&](const vision::RetinanetConfig& retinanet) { return of_detector(retinanet); },
                 [&](const vision::MaskRcnnConfig& mask_rcnn) { return of_detector(mask_rcnn); },
                 [&](const models::RetnetConfig&) -> decltype(f(vision::RmtConfig{})) {
                   throw ConfigError(
                       "[bench] a language model reads no images; use bench language for its speed, bench scaling "
                       "--training for its training");
                 }},
      config);
}

bool forms_of(const vision::RmtConfig& rmt) { return rmt.mixer == vision::RmtMixer::retention; }
bool forms_of(const vision::VirConfig& vir) { return vir.mixer == MixerKind::retention && !vir.release_softmax; }

std::string_view mixer_of(const vision::RmtConfig& rmt) { return enum_name(rmt.mixer); }
std::string_view mixer_of(const vision::VirConfig& vir) { return enum_name(vir.mixer); }

int64_t tokens_of(const vision::RmtConfig&, int64_t height, int64_t width) {
  constexpr int64_t kStemStride = 4;
  return ((height + kStemStride - 1) / kStemStride) * ((width + kStemStride - 1) / kStemStride);
}
int64_t tokens_of(const vision::VirConfig& vir, int64_t height, int64_t width) {
  const auto grid = vir.grid(height, width);
  return grid[0] * grid[1] + 1;
}

}  // namespace

void describe_images(const models::ModelConfig& config, int64_t height, int64_t width, Form form, Cell& cell) {
  cell.height = height;
  cell.width = width;
  cell.tokens = with_backbone(config, [&](const auto& backbone) { return tokens_of(backbone, height, width); });
  cell.mixer = with_backbone(config, [](const auto& backbone) { return mixer_of(backbone); });
  cell.form = has_forms(config) ? enum_name(form) : "";
}

void describe_text(const models::ModelConfig& config, int64_t tokens, Form form, Cell& cell) {
  const auto* retnet = std::get_if<models::RetnetConfig>(&config);
  if (retnet == nullptr) throw ConfigError("[bench] a model of images reads no text; give a language model");
  cell.tokens = tokens;
  cell.mixer = enum_name(retnet->mixer);
  cell.form = has_forms(config) ? enum_name(form) : "";
}

bool has_forms(const models::ModelConfig& config) {
  if (const auto* retnet = std::get_if<models::RetnetConfig>(&config)) return retnet->mixer == MixerKind::retention;
  return with_backbone(config, [](const auto& backbone) { return forms_of(backbone); });
}

void set_form(vision::BackboneImpl& backbone, Form form) {
  if (auto* vir = dynamic_cast<vision::VirImpl*>(&backbone)) {
    vir->set_call({.form = form});
  } else if (auto* rmt = dynamic_cast<vision::RmtImpl*>(&backbone)) {
    rmt->set_form(form);
  }
}

}  // namespace retentive::bench
