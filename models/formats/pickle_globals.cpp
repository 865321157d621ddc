#include <models/formats/pickle_globals.h>

#include <algorithm>
#include <array>

namespace retentive::models::formats {
namespace {

using Use = GlobalUse;

// Classes whose objects occur beside the weights in training checkpoints; their content is parsed and dropped.
constexpr std::array kSkippedClasses{
    std::string_view("argparse.Namespace"),
    std::string_view("types.SimpleNamespace"),
    std::string_view("yacs.config.CfgNode"),
    std::string_view("fvcore.common.config.CfgNode"),
    std::string_view("detectron2.config.config.CfgNode"),
    std::string_view("omegaconf.dictconfig.DictConfig"),
    std::string_view("omegaconf.listconfig.ListConfig"),
    std::string_view("omegaconf.base.ContainerMetadata"),
    std::string_view("omegaconf.base.Metadata"),
    std::string_view("omegaconf.nodes.AnyNode"),
    std::string_view("typing.Any"),
    std::string_view("easydict.EasyDict"),
    std::string_view("addict.addict.Dict"),
    std::string_view("mmcv.utils.config.ConfigDict"),
    std::string_view("mmengine.config.config.ConfigDict"),
    std::string_view("mmengine.logging.history_buffer.HistoryBuffer"),
    std::string_view("pytorch_lightning.utilities.parsing.AttributeDict"),
    std::string_view("lightning_fabric.utilities.data.AttributeDict"),
    std::string_view("pathlib.Path"),
    std::string_view("pathlib.PosixPath"),
    std::string_view("pathlib.PurePosixPath"),
    std::string_view("pathlib.WindowsPath"),
    std::string_view("pathlib.PureWindowsPath"),
    std::string_view("datetime.date"),
    std::string_view("datetime.datetime"),
    std::string_view("datetime.timedelta"),
    std::string_view("decimal.Decimal"),
    std::string_view("fractions.Fraction"),
    std::string_view("torch.device"),
    std::string_view("torch.serialization._get_layout"),
    std::string_view("torch.cuda.amp.grad_scaler.GradScaler"),
    std::string_view("torch.amp.grad_scaler.GradScaler"),
    std::string_view("torch.optim.sgd.SGD"),
    std::string_view("torch.optim.adam.Adam"),
    std::string_view("torch.optim.adamw.AdamW"),
    std::string_view("torch.optim.lr_scheduler.StepLR"),
    std::string_view("torch.optim.lr_scheduler.MultiStepLR"),
    std::string_view("torch.optim.lr_scheduler.LambdaLR"),
    std::string_view("torch.optim.lr_scheduler.OneCycleLR"),
    std::string_view("torch.optim.lr_scheduler.CosineAnnealingLR"),
    std::string_view("torch.optim.lr_scheduler.LinearLR"),
    std::string_view("torch.optim.lr_scheduler.SequentialLR"),
    std::string_view("timm.scheduler.cosine_lr.CosineLRScheduler"),
    std::string_view("timm.scheduler.step_lr.StepLRScheduler"),
    std::string_view("timm.scheduler.multistep_lr.MultiStepLRScheduler"),
    std::string_view("timm.scheduler.plateau_lr.PlateauLRScheduler"),
    std::string_view("timm.scheduler.poly_lr.PolyLRScheduler"),
    std::string_view("timm.scheduler.tanh_lr.TanhLRScheduler"),
    std::string_view("timm.utils.cuda.NativeScaler"),
    std::string_view("numpy.ndarray"),
    std::string_view("numpy.core.multiarray._reconstruct"),
    std::string_view("numpy.core.numeric._frombuffer"),
};

constexpr std::array kRules{
    GlobalRule{"torch.DoubleStorage", Use::storage, DType::f64},
    GlobalRule{"torch.FloatStorage", Use::storage, DType::f32},
    GlobalRule{"torch.HalfStorage", Use::storage, DType::f16},
    GlobalRule{"torch.BFloat16Storage", Use::storage, DType::bf16},
    GlobalRule{"torch.LongStorage", Use::storage, DType::i64},
    GlobalRule{"torch.IntStorage", Use::storage, DType::i32},
    GlobalRule{"torch.ShortStorage", Use::storage, DType::i16},
    GlobalRule{"torch.CharStorage", Use::storage, DType::i8},
    GlobalRule{"torch.ByteStorage", Use::storage, DType::u8},
    GlobalRule{"torch.BoolStorage", Use::storage, DType::boolean},
    GlobalRule{"torch.UntypedStorage", Use::untyped_storage},
    GlobalRule{"torch.storage.UntypedStorage", Use::untyped_storage},
    GlobalRule{"torch.float64", Use::torch_dtype, DType::f64},
    GlobalRule{"torch.float32", Use::torch_dtype, DType::f32},
    GlobalRule{"torch.float16", Use::torch_dtype, DType::f16},
    GlobalRule{"torch.bfloat16", Use::torch_dtype, DType::bf16},
    GlobalRule{"torch.int64", Use::torch_dtype, DType::i64},
    GlobalRule{"torch.int32", Use::torch_dtype, DType::i32},
    GlobalRule{"torch.int16", Use::torch_dtype, DType::i16},
    GlobalRule{"torch.int8", Use::torch_dtype, DType::i8},
    GlobalRule{"torch.uint8", Use::torch_dtype, DType::u8},
    GlobalRule{"torch.bool", Use::torch_dtype, DType::boolean},
    GlobalRule{"torch.ComplexFloatStorage", Use::foreign_storage},
    GlobalRule{"torch.ComplexDoubleStorage", Use::foreign_storage},
    GlobalRule{"torch.QInt8Storage", Use::foreign_storage},
    GlobalRule{"torch.QUInt8Storage", Use::foreign_storage},
    GlobalRule{"torch.QInt32Storage", Use::foreign_storage},
    GlobalRule{"torch.QUInt4x2Storage", Use::foreign_storage},
    GlobalRule{"torch.QUInt2x4Storage", Use::foreign_storage},
    GlobalRule{"torch.complex32", Use::foreign_dtype},
    GlobalRule{"torch.complex64", Use::foreign_dtype},
    GlobalRule{"torch.complex128", Use::foreign_dtype},
    GlobalRule{"torch.uint16", Use::foreign_dtype},
    GlobalRule{"torch.uint32", Use::foreign_dtype},
    GlobalRule{"torch.uint64", Use::foreign_dtype},
    GlobalRule{"torch.float8_e4m3fn", Use::foreign_dtype},
    GlobalRule{"torch.float8_e5m2", Use::foreign_dtype},
    GlobalRule{"torch.float8_e4m3fnuz", Use::foreign_dtype},
    GlobalRule{"torch.float8_e5m2fnuz", Use::foreign_dtype},
    GlobalRule{"torch.float8_e8m0fnu", Use::foreign_dtype},
    GlobalRule{"torch.float4_e2m1fn_x2", Use::foreign_dtype},
    GlobalRule{"torch.bits8", Use::foreign_dtype},
    GlobalRule{"torch.bits16", Use::foreign_dtype},
    GlobalRule{"torch.bits1x8", Use::foreign_dtype},
    GlobalRule{"torch.bits2x4", Use::foreign_dtype},
    GlobalRule{"torch.bits4x2", Use::foreign_dtype},
    GlobalRule{"torch.qint8", Use::foreign_dtype},
    GlobalRule{"torch.quint8", Use::foreign_dtype},
    GlobalRule{"torch.qint32", Use::foreign_dtype},
    GlobalRule{"torch.quint4x2", Use::foreign_dtype},
    GlobalRule{"torch.quint2x4", Use::foreign_dtype},
    GlobalRule{"torch._utils._rebuild_tensor", Use::rebuild_tensor},
    GlobalRule{"torch._utils._rebuild_tensor_v2", Use::rebuild_tensor},
    GlobalRule{"torch._utils._rebuild_tensor_v3", Use::rebuild_tensor_v3},
    GlobalRule{"torch._utils._rebuild_parameter", Use::rebuild_parameter},
    GlobalRule{"torch._utils._rebuild_parameter_with_state", Use::rebuild_parameter},
    GlobalRule{"torch._tensor._rebuild_from_type_v2", Use::rebuild_from_type},
    GlobalRule{"torch._utils._rebuild_meta_tensor_no_storage", Use::rebuild_meta},
    GlobalRule{"torch._utils._rebuild_qtensor", Use::rebuild_foreign},
    GlobalRule{"torch._utils._rebuild_sparse_tensor", Use::rebuild_foreign},
    GlobalRule{"torch._utils._rebuild_nested_tensor", Use::rebuild_foreign},
    GlobalRule{"torch.per_tensor_affine", Use::constant},
    GlobalRule{"torch.per_channel_affine", Use::constant},
    GlobalRule{"torch.per_channel_affine_float_qparams", Use::constant},
    GlobalRule{"torch.Tensor", Use::constant},
    GlobalRule{"torch.nn.parameter.Parameter", Use::constant},
    GlobalRule{"torch.nn.parameter.Buffer", Use::constant},
    GlobalRule{"torch.Size", Use::tuple},
    GlobalRule{"collections.OrderedDict", Use::dict},
    GlobalRule{"collections.Counter", Use::dict},
    GlobalRule{"collections.defaultdict", Use::default_dict},
    GlobalRule{"collections.deque", Use::list},
    GlobalRule{"builtins.dict", Use::dict},
    GlobalRule{"builtins.list", Use::list},
    GlobalRule{"builtins.set", Use::list},
    GlobalRule{"builtins.frozenset", Use::list},
    GlobalRule{"builtins.tuple", Use::tuple},
    GlobalRule{"builtins.bytes", Use::bytes},
    GlobalRule{"builtins.bytearray", Use::bytes},
    GlobalRule{"builtins.int", Use::constant},
    GlobalRule{"builtins.float", Use::constant},
    GlobalRule{"builtins.bool", Use::constant},
    GlobalRule{"builtins.str", Use::constant},
    GlobalRule{"builtins.object", Use::constant},
    GlobalRule{"_codecs.encode", Use::encode},
    GlobalRule{"copyreg._reconstructor", Use::reconstruct},
    GlobalRule{"numpy.core.multiarray.scalar", Use::numpy_scalar},
    GlobalRule{"numpy.dtype", Use::numpy_dtype},
};

constexpr auto kSkippedRules = [] {
  std::array<GlobalRule, kSkippedClasses.size()> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) rules[i] = {kSkippedClasses[i], Use::skipped, DType::u8};
  return rules;
}();

struct Rename {
  std::string_view from;
  std::string_view to;
};

// Python 2 and NumPy 2 spell these modules differently; pathlib became a package in Python 3.13.
constexpr std::array kModuleNames{
    Rename{"__builtin__", "builtins"},
    Rename{"copy_reg", "copyreg"},
    Rename{"numpy._core.multiarray", "numpy.core.multiarray"},
    Rename{"numpy._core.numeric", "numpy.core.numeric"},
    Rename{"pathlib._local", "pathlib"},
};

}  // namespace

const GlobalRule* find_global(std::string_view module, std::string_view name) {
  // A dotted name inside a module would reach through its attributes; no allowed name needs that.
  if (name.find('.') != std::string_view::npos) return nullptr;
  for (const Rename& rename : kModuleNames) {
    if (module == rename.from) module = rename.to;
  }
  const std::string qualified = std::string(module) + "." + std::string(name);
  const auto matches = [&qualified](const GlobalRule& rule) { return rule.name == qualified; };
  if (const auto rule = std::find_if(kRules.begin(), kRules.end(), matches); rule != kRules.end()) return &*rule;
  const auto skipped = std::find_if(kSkippedRules.begin(), kSkippedRules.end(), matches);
  return skipped == kSkippedRules.end() ? nullptr : &*skipped;
}

}  // namespace retentive::models::formats
