#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/ops/detail/retention_paths.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/grid_retention.h>

namespace retentive {
namespace {

using at::Tensor;
using detail::shape_text;

[[noreturn]] void fail(const std::string& what) { throw InvalidArgument("[retention 2-D] " + what); }

void check_grid(const Tensor& q, const GridRetentionOptions& options) {
  const auto [width, class_token] = options.tokens;
  if (options.form == Form::auto_) fail("form is \"auto\"; name one: \"parallel\" | \"recurrent\" | \"chunkwise\"");
  if (width < 1) fail("width is " + std::to_string(width) + "; at least 1 column is accepted");
  if (options.form == Form::chunkwise && options.chunk < 1) {
    fail("chunk is " + std::to_string(options.chunk) + "; at least 1 token is accepted");
  }
  if (options.column < 0 || options.column >= width || (options.column > 0 && options.form != Form::recurrent)) {
    fail("column is " + std::to_string(options.column) + " of " + std::to_string(width) +
         "; the recurrent form begins at any column, the others at 0");
  }
  const auto patches = q.size(1) - (class_token ? 1 : 0);
  const bool whole = (options.column + patches) % width == 0;
  if (patches < 0 || (!whole && (class_token || options.form != Form::recurrent))) {
    fail("q is " + shape_text(q) + " and the grid " + std::to_string(width) +
         " columns wide; whole rows are accepted, with one more token when class_token is set");
  }
}

void check_grid_state(const Tensor& q, const Tensor& v, const GridRetentionOptions& options) {
  const auto& [columns, row] = options.state;
  if (!columns.defined() && !row.defined()) return;
  if (options.form == Form::parallel) {
    fail("the parallel form takes no state; use \"chunkwise\" or \"recurrent\"");
  }
  const auto batch = q.size(0), heads = q.size(2), dk = q.size(3), dv = v.size(3);
  const std::vector<int64_t> wanted = {batch, options.tokens.width, heads, dk, dv}, in_row = {batch, heads, dk, dv};
  if ((columns.defined() && columns.sizes() != at::IntArrayRef(wanted)) ||
      (row.defined() && row.sizes() != at::IntArrayRef(in_row))) {
    fail("the state is " + shape_text(columns) + " and " + shape_text(row) + ", but q is " + shape_text(q) + " and v " +
         shape_text(v) + "; [B, W, N, Dk, Dv] and [B, N, Dk, Dv] are accepted");
  }
}

// gamma^(dy + dx), 0 for tokens below or to the right: [N, T, T].
Tensor grid_decay_mask(const Tensor& slope, int64_t tokens, const GridTokens& grid) {
  const auto patches = tokens - (grid.class_token ? 1 : 0);
  const auto index = torch::arange(patches, at::kLong);
  auto y = index.div(grid.width, "floor"), x = index.remainder(grid.width);
  if (grid.class_token) {
    y = torch::cat({y, torch::full({1}, patches / grid.width, at::kLong)});
    x = torch::cat({x, torch::full({1}, grid.width - 1, at::kLong)});
  }
  const auto dy = y.unsqueeze(1) - y, dx = x.unsqueeze(1) - x;  // [T, T]
  const auto decay = torch::exp((dy + dx).clamp_min(0) * slope.view({-1, 1, 1}));
  return torch::where((dy >= 0).logical_and(dx >= 0), decay, torch::zeros({}, slope.options()));
}

Tensor attend_masked(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  return torch::matmul(torch::matmul(q, k.transpose(2, 3)) * mask, v);  // [B, N, T, Dv]
}

Tensor key_by_value(const Tensor& k, const Tensor& v) { return k.unsqueeze(-1) * v.unsqueeze(-2); }  // [..., Dk, Dv]
Tensor read_state(const Tensor& q, const Tensor& state) { return torch::matmul(q.unsqueeze(-2), state).squeeze(-2); }

/// The arguments of one call in the type that is computed in; q, k, v are [B, N, T, D], k scaled.
struct GridInputs {
  Tensor q, k, v, slope;
  int64_t width;

  Tensor powers(const Tensor& exponents) const {  // [N, n, 1]
    return torch::exp(exponents * slope.unsqueeze(1)).unsqueeze(2);
  }
  Tensor gamma() const { return torch::exp(slope).view({-1, 1, 1}); }
  Tensor zero_state() const { return torch::zeros({q.size(0), q.size(1), q.size(3), v.size(3)}, slope.options()); }
};

// The class token reads what the last column's rectangle gives one row on, and itself.
Tensor read_class_token(const GridInputs& in, const Tensor& last_column) {
  const auto at = [](const Tensor& x) { return x.select(2, -1); };
  return read_state(at(in.q), last_column * in.gamma() + key_by_value(at(in.k), at(in.v)));  // [B, N, Dv]
}

// Rows `begin` to `begin + rows`, all at once; `columns` [B, N, W, Dk, Dv] may be undefined.
Tensor attend_rows(const GridInputs& in, int64_t begin, int64_t rows, Tensor& columns) {
  const auto width = in.width;
  const auto part = [&](const Tensor& x) { return x.narrow(2, begin * width, rows * width); };
  const auto by_column = [&](const Tensor& x) { return part(x).unflatten(2, {rows, width}).transpose(2, 3); };
  const auto mask = grid_decay_mask(in.slope, rows * width, {.width = width});
  auto out = attend_masked(part(in.q), part(in.k), part(in.v), mask);
  const auto row = torch::arange(rows, in.slope.options());
  const auto weight = [&](const Tensor& exponents) { return in.powers(exponents).unsqueeze(1); };  // [N, 1, rows, 1]
  const auto sums = torch::matmul(by_column(in.k).transpose(3, 4), by_column(in.v) * weight(rows - 1 - row));
  const auto spread = torch::matmul(detail::causal_decay_mask(in.slope, width), sums.flatten(3)).view_as(sums);
  if (!columns.defined()) {
    columns = spread;
    return out;
  }
  const auto carried = torch::matmul(by_column(in.q), columns) * weight(row + 1);  // [B, N, W, rows, Dv]
  columns = columns * torch::exp(static_cast<double>(rows) * in.slope).view({-1, 1, 1, 1}) + spread;
  return out + carried.transpose(2, 3).flatten(2, 3);
}

GridRetentionResult in_row_chunks(const GridInputs& in, const GridRetentionOptions& options) {
  const auto chunk = std::max<int64_t>(1, (options.chunk + in.width - 1) / in.width);
  const auto rows = (in.q.size(2) - (options.tokens.class_token ? 1 : 0)) / in.width;
  auto columns = options.state.columns.defined() ? options.state.columns.to(in.slope.scalar_type()).transpose(1, 2)
                                                 : Tensor();  // [B, N, W, Dk, Dv]
  std::vector<Tensor> outs;
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    outs.push_back(attend_rows(in, begin, std::min(chunk, rows - begin), columns));
  }
  if (options.tokens.class_token) {
    const auto last = columns.defined() ? columns.select(2, -1) : in.zero_state();
    outs.push_back(read_class_token(in, last).unsqueeze(2));
  }
  if (!columns.defined()) columns = in.zero_state().unsqueeze(2).repeat({1, 1, in.width, 1, 1});
  return {torch::cat(outs, 2).transpose(1, 2), {columns.transpose(1, 2), in.zero_state()}};
}

GridRetentionResult token_by_token(const GridInputs& in, const GridRetentionOptions& options) {
  const auto type = in.slope.scalar_type();
  const bool in_place = options.overwrite_state && !at::GradMode::is_enabled();
  auto whole = options.state.columns.defined() ? options.state.columns.to(type)
                                               : in.zero_state().unsqueeze(1).repeat({1, in.width, 1, 1, 1});
  auto columns = whole.unbind(1);  // W of [B, N, Dk, Dv]
  auto row = options.state.row.defined() ? options.state.row.to(type) : in.zero_state();
  const auto patches = in.q.size(2) - (options.tokens.class_token ? 1 : 0);
  const auto gamma = in.gamma();
  std::vector<Tensor> outs;
  for (int64_t t = 0; t < patches; ++t) {
    const auto x = (options.column + t) % in.width;
    const auto now = key_by_value(in.k.select(2, t), in.v.select(2, t));
    row = x == 0 ? now : row * gamma + now;
    auto& column = columns[static_cast<size_t>(x)];
    column = in_place ? column.mul_(gamma).add_(row) : column * gamma + row;
    outs.push_back(read_state(in.q.select(2, t), column));
  }
  if (options.tokens.class_token) outs.push_back(read_class_token(in, columns.back()));
  return {torch::stack(outs, 1), {in_place ? whole : torch::stack(columns, 1), row}};
}

double grid_macs(const Tensor& q, const Tensor& v, const GridRetentionOptions& options) {
  const auto tokens = static_cast<double>(q.size(1)), width = static_cast<double>(options.tokens.width);
  const auto sum = static_cast<double>(q.size(3) + v.size(3)), product = static_cast<double>(q.size(3) * v.size(3));
  const double chunk = std::min(tokens, std::ceil(static_cast<double>(options.chunk) / width) * width);
  const double head = options.form == Form::parallel ? tokens * tokens * sum
                      : options.form == Form::recurrent
                          ? 2 * tokens * product
                          : tokens * (chunk * sum + (2 + width * width / chunk) * product);
  return static_cast<double>(q.size(0) * q.size(2)) * head;
}

}  // namespace

GridRetentionResult grid_retention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                                   const GridRetentionOptions& options) {
  detail::check_retention(q, k, v, log_gamma, {});
  check_grid(q, options);
  check_grid_state(q, v, options);
  const OpTimer timer([&] { return "retention 2-D " + std::string(enum_name(options.form)); }, grid_macs(q, v, options),
                      static_cast<double>(q.nbytes() + k.nbytes() + 2 * v.nbytes()));
  const auto type = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  if (q.size(1) == 0) return {torch::zeros(v.sizes(), v.options().dtype(type)), options.state};
  const auto heads_first = [&](const Tensor& x) { return x.to(type).transpose(1, 2); };
  const GridInputs in = {heads_first(q), heads_first(k) * options.k_scale, heads_first(v), log_gamma.to(type),
                         options.tokens.width};
  if (options.form == Form::chunkwise) return in_row_chunks(in, options);
  if (options.form == Form::recurrent) return token_by_token(in, options);
  const auto mask = grid_decay_mask(in.slope, q.size(1), options.tokens);
  return {attend_masked(in.q, in.k, in.v, mask).transpose(1, 2), {}};
}

Tensor release_softmax_retention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                                 double k_scale, const std::optional<GridTokens>& grid) {
  detail::check_retention(q, k, v, log_gamma, {});
  if (grid) check_grid(q, {.tokens = *grid});
  const auto type = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto heads_first = [&](const Tensor& x) { return x.to(type).transpose(1, 2); };  // [B, N, T, D]
  const auto slope = log_gamma.to(type);
  const auto mask = grid ? grid_decay_mask(slope, q.size(1), *grid) : detail::causal_decay_mask(slope, q.size(1));
  const auto scores = torch::matmul(heads_first(q), heads_first(k).transpose(2, 3)) * k_scale * mask;
  return torch::matmul(torch::softmax(scores, -1), heads_first(v)).transpose(1, 2);  // [B, T, N, Dv]
}

}  // namespace retentive
