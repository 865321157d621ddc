#pragma once

#include <string>
#include <vector>

#include <models/pipelines/visualizer.h>
#include <vision/structures.h>

namespace retentive::apps {

/// A picture that says something of a model, with the words to it.
struct Figure {
  std::string kind;  ///< as on the command line; part of the file's name
  std::string title;
  std::string caption;
  vision::Image picture;
};

// `view` is what the network saw of the image, Visualizer::view().

Figure decay_figure(const models::DecayMaps& maps, const vision::Image& view);
Figure attention_figure(const models::AttentionMaps& maps, const vision::Image& view);
Figure class_figure(const models::ClassMap& map, const vision::Image& view);
Figure features_figure(const models::FeatureColours& features, const vision::Image& view);
/// Of the mean over `images` images.
Figure receptive_field_figure(const models::SpotMap& field, int64_t images);
Figure detections_figure(const std::vector<vision::Detection>& detections, const std::vector<std::string>& labels,
                         const vision::Image& image);

}  // namespace retentive::apps
