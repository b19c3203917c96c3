#include "train/run.h"

#include <chrono>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/host_memory.h"
#include "base/log.h"
#include "model/checkpoint.h"
#include "train/checkpoint.h"
#include "train/console.h"
#include "train/final_model.h"
#include "train/jsonl_log.h"
#include "train/memory_plan.h"
#include "train/report.h"
#include "train/tensorboard.h"
#include "train/trainer.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// Weights from a folder, checked, or at random.
class InitialWeights {
 public:
  InitialWeights(Device& device, const RunInput& input) {
    if (input.init.empty())
      random_ = std::make_unique<Llama>(
          Llama::random(device, input.config, DType::kBF16, static_cast<uint64_t>(input.recipe.train.seed)));
    else
      checkpoint_ = Checkpoint::open(input.init);
    if (random_) named_ = named_weights(*random_);
  }

  Shards::Source source() const {
    return [this](const WeightSpec& spec) {
      const Tensor tensor = random_ ? named_.at(spec.name) : checkpoint_->tensor(spec.name);
      if (!random_) check_finite(tensor, spec.name);
      return tensor;
    };
  }

 private:
  void check_finite(const Tensor& tensor, const std::string& name) const {
    for (int64_t i = 0; i < tensor.elements(); ++i)
      if (!std::isfinite(load_element(tensor, i)))
        fail("{}: the tensor \"{}\" holds {} at element {}; a model with such weights cannot be trained",
             checkpoint_->folder().string(), name, load_element(tensor, i), i);
  }

  std::unique_ptr<Llama> random_;
  std::map<std::string, Tensor> named_;
  std::optional<Checkpoint> checkpoint_;
};

ThreadPool& pool_of(Device& device, std::unique_ptr<ThreadPool>& own) {
  if (!device.is_reference() && !device.is_cuda()) return device.cpu_backend().pool;
  if (own == nullptr) own = std::make_unique<ThreadPool>();
  return *own;
}

class TrainingRun {
 public:
  TrainingRun(Device& device, Comm& world, const RunInput& input)
      : device_(device), world_(world), input_(input), recipe_(input_.recipe), dir_(recipe_.output.dir) {
    // Ranks that split matrices talk most, and are neighbours.
    const int parts = static_cast<int>(recipe_.parallel.tensor);
    tensor_ranks_ = comm_of(device, world.split(world.rank() / parts));
    replicas_ = comm_of(device, world.split(world.rank() % parts));
  }

  // What a run would do, as text.
  std::string plan() {
    open_data();
    std::string text;
    for (const auto& lines : {describe(data_, recipe_), memory_table(memory())})
      for (const std::string& line : lines) text += line + "\n";
    double flops = 0;
    MixturePosition position = data_.mixture->start();
    constexpr int64_t kSamples = 32;
    for (int64_t i = 0; i < kSamples; ++i)
      flops += model_flops(input_.config, data_.mixture->batch({data_.mixture->draw(position)}));
    const double total = flops / static_cast<double>(kSamples) * data_.sequences;
    text += fmt::format("{:.3g} floating-point operations", total);
    const double peak = peak_flops(device_, recipe_.train.precision) * world_.size();
    constexpr double kShare = 0.3;
    if (peak > 0)
      text += fmt::format("; {} at {:.0f} % of the {:.3g} a second that was measured",
                          duration_text(total / peak / kShare), 100 * kShare, peak);
    return text + "\n";
  }

  void prepare() {
    open_data();
    check_memory();
    const InitialWeights initial(device_, input_);
    trainer_ = std::make_unique<Trainer>(Trainer::Parts{.device = device_,
                                                        .replicas = *replicas_,
                                                        .tensor_ranks = tensor_ranks_.get(),
                                                        .config = input_.config,
                                                        .recipe = recipe_,
                                                        .data = data_,
                                                        .max_tokens = max_tokens_},
                                         initial.source());
  }

  void run(Resume resume) {
    make_folder(resume);
    prepare();
    if (recipe_.stage == Stage::kDpo && needs_reference(recipe_.dpo.loss)) open_reference();
    CheckpointWriter writer(trainer_->shards(), world_,
                            {.folder = checkpoints(),
                             .keep_last = recipe_.output.keep_last,
                             .keep_every = recipe_.output.keep_every});
    if (resume == Resume::kYes) load_checkpoint();
    open_logs();
    if (trainer_->counters().step == 0) validate();
    while (!trainer_->is_done()) {
      one_step();
      save_when_due(writer);
      validate_when_due();
    }
    save_last(writer);
    if (is_first()) inform("writing {}", (dir_ / "final").string());
    write_final_model(dir_ / "final", trainer_->shards(), input_.config, recipe_.train.precision,
                      input_.tokenizer, is_first() ? Writes::kYes : Writes::kNo);
    log_event({{"event", "end"}, {"step", trainer_->counters().step}});
    if (is_first()) write_report(dir_);
  }

 private:
  bool is_first() const { return world_.rank() == 0; }
  fs::path checkpoints() const { return dir_ / "checkpoints"; }

  std::vector<MemoryRow> memory() const {
    const bool is_reference = device_.is_reference(), is_bf16 = recipe_.train.precision == Precision::kBf16;
    const double exact = is_reference ? 8 : 4,
                 master = recipe_.optimizer.master == Precision::kBf16 ? 2 : exact;
    return plan_memory({.config = input_.config,
                        .max_tokens = max_tokens_,
                        .replicas = replicas_->size(),
                        .tensor_ranks = tensor_ranks_->size(),
                        .zero = recipe_.parallel.zero,
                        .recompute = recipe_.train.recompute,
                        .weight_bytes = is_bf16 ? 2 : master,
                        .master_bytes = master,
                        .moment_bytes = recipe_.optimizer.moments == Precision::kBf16 ? 2 : exact,
                        .activation_bytes = device_.activation_dtype() == DType::kBF16 ? 2 : exact});
  }

  void check_memory() const {
    const std::vector<MemoryRow> rows = memory();
    if (is_first())
      for (const auto& lines : {describe(data_, recipe_), memory_table(rows)})
        for (const std::string& line : lines) inform("{}", line);
    constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;
    // The copy that checkpoints are written from is the host's.
    const double on_host = device_.is_cuda() ? rows.back().bytes : 0;
    const double needed = total_bytes(rows) - on_host;
    const double available = device_.is_cuda()
                                 ? static_cast<double>(gpu::memory(device_.cuda_backend()).first)
                                 : available_memory();
    if (available > 0 && needed > available)
      fail(
          "the run needs {:.1f} GiB a rank and {:.1f} are free; lower train.micro_batch or "
          "data.sequence_length, or set "
          "train.recompute=full, optimizer.moments=bf16 or, on several ranks, parallel.zero=3",
          needed / kGibi, available / kGibi);
  }

  void make_folder(Resume resume) {
    std::error_code error;
    if (is_first()) {
      if (resume == Resume::kNo && !checkpoint_steps(checkpoints()).empty())
        fail("{} holds checkpoints of an earlier run; continue it with --resume, or name another output.dir",
             dir_.string());
      fs::create_directories(checkpoints(), error);
      if (error) fail("cannot make the folder {}: {}", checkpoints().string(), error.message());
      remove_partial_checkpoints(checkpoints());
      write_file_atomic(dir_ / "recipe.toml", resolved_toml(recipe_));
    }
    world_.barrier();
  }

  void open_data() {
    const RowEncoder encoder(input_.tokenizer, input_.config.vocab_size,
                             {.loss_on = recipe_.data.loss_on,
                              .begin_token = recipe_.data.begin_token,
                              .end_token = recipe_.data.end_token});
    std::unique_ptr<ThreadPool> own;
    data_ = open_training_data(recipe_, encoder, pool_of(device_, own), world_);
    held_out_ = open_validation_data(recipe_, encoder, pool_of(device_, own), world_);
    max_tokens_ = recipe_.train.micro_batch * data_.longest;
    if (held_out_ != nullptr)
      for (const MixtureSource& source : held_out_->sources())
        max_tokens_ = std::max(max_tokens_, source.packing->longest());
  }

  void open_reference() {
    const std::string identity =
        fmt::format("{} {} {}", model_digest(input_.reference), choice_name(recipe_.train.precision),
                    device_.is_reference() ? "reference"
                    : device_.is_cuda()    ? "cuda"
                                           : "cpu");
    const fs::path cache = recipe_.data.cache.empty() ? default_shard_cache() : fs::path(recipe_.data.cache);
    const bool is_other = input_.init.empty() || !fs::equivalent(input_.reference, input_.init);
    bool has_loaded = false;
    const auto load = [&]() -> ReferenceSumsOf::LogProbs {
      if (is_other && !has_loaded) {
        RunInput frozen = input_;
        frozen.init = input_.reference;
        trainer_->shards().fill(InitialWeights(device_, frozen).source());
        has_loaded = true;
      }
      return [this](const Batch& batch) { return trainer_->log_probs(batch); };
    };
    trainer_->set_reference(ReferenceSumsOf::open(*data_.mixture, cache, identity, *replicas_, load));
    if (held_out_ != nullptr)
      held_out_reference_ = ReferenceSumsOf::open(*held_out_, cache, identity, *replicas_, load);
    if (has_loaded) trainer_->shards().fill(InitialWeights(device_, input_).source());
  }

  Json state() {
    const TrainerCounters& counters = trainer_->counters();
    return {{"step", counters.step},
            {"updates", counters.updates},
            {"tokens", counters.tokens},
            {"skipped_in_row", counters.skipped_in_row},
            {"position", counters.position.to_json()},
            {"data", data_.mixture->digest()},
            {"recipe", config_to_json(recipe_)}};
  }

  void load_checkpoint() {
    const auto loaded = load_latest_checkpoint(checkpoints(), trainer_->shards(), world_);
    if (!loaded) {
      if (is_first()) inform("{} holds no checkpoint; the run starts from the beginning", dir_.string());
      return;
    }
    const fs::path path = checkpoints() / fmt::format("step-{}", loaded->step);
    const Json& state = loaded->state;
    if (state.at("data") != data_.mixture->digest())
      fail(
          "{} was made with other data, packing or seed than the recipe names now; an exact continuation is "
          "not possible",
          path.string());
    TrainerCounters& counters = trainer_->counters();
    counters = {.step = state.at("step"),
                .updates = state.at("updates"),
                .tokens = state.at("tokens"),
                .skipped_in_row = state.at("skipped_in_row"),
                .position = data_.mixture->position_from_json(state.at("position"), path.string())};
    if (is_first()) inform("going on from {}", path.string());
  }

  void open_logs() {
    if (!is_first()) return;
    metrics_ = std::make_unique<JsonlLog>(dir_ / "metrics.jsonl", trainer_->counters().step);
    events_ = std::make_unique<JsonlLog>(dir_ / "events.jsonl", trainer_->counters().step + 1);
    board_ = std::make_unique<TensorBoardLog>(dir_ / "tensorboard", trainer_->counters().step);
    console_ =
        std::make_unique<TrainingConsole>(data_.steps - trainer_->counters().step, data_.steps,
                                          peak_flops(device_, recipe_.train.precision) * world_.size());
    log_event(
        {{"event", trainer_->counters().step > 0 ? "resume" : "start"}, {"step", trainer_->counters().step}});
  }

  void log_event(const Json& event) {
    if (events_ != nullptr) events_->write(event);
  }

  void one_step() {
    const auto start = Clock::now();
    const StepReport report = trainer_->step();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (!is_first()) return;
    const Json line = metrics_line(report, trainer_->counters().tokens, seconds, source_names());
    metrics_->write(line);
    write_board(report.step, "train/", line);
    if (report.is_skipped) log_event({{"event", "skipped_step"}, {"step", report.step}});
    console_->add(report, seconds);
    if ((report.step + 1) % recipe_.output.log_every == 0 || trainer_->is_done()) console_->show(report);
  }

  void write_board(int64_t step, const std::string& prefix, const Json& line) {
    std::vector<TensorBoardLog::Scalar> scalars;
    for (const auto& [name, value] : line.items())
      if (value.is_number() && name != "step") scalars.emplace_back(prefix + name, value.get<double>());
    if (line.contains("loss_by_source"))
      for (const auto& [name, value] : line["loss_by_source"].items())
        scalars.emplace_back(prefix + "loss/" + name, value.get<double>());
    board_->write(step, scalars);
  }

  std::vector<std::string> source_names() const {
    std::vector<std::string> names;
    for (const MixtureSource& source : data_.mixture->sources()) names.push_back(source.name);
    return names;
  }

  void save_when_due(CheckpointWriter& writer) {
    constexpr int64_t kStepsUntilRetry = 10;
    if (const auto step = writer.poll()) {
      log_event({{"event", "checkpoint"}, {"step", *step}});
      try_report();
    }
    const int64_t step = trainer_->counters().step, every = recipe_.output.save_every;
    if (trainer_->is_done()) return;  // The last one is made at the end, and waited for.
    const bool is_due = every > 0 && step % every == 0;
    const bool is_retry =
        writer.has_failed() && step % std::min(kStepsUntilRetry, std::max<int64_t>(every, 1)) == 0;
    if (is_due || is_retry) writer.save(step, state());
  }

  // In the middle of a run a page that cannot be written is no reason to stop.
  void try_report() {
    if (!is_first()) return;
    try {
      write_report(dir_);
    } catch (const Error& error) {
      warn("{}", error.what());
    }
  }

  void save_last(CheckpointWriter& writer) {
    const int64_t step = trainer_->counters().step;
    writer.finish();
    const std::vector<int64_t> steps = checkpoint_steps(checkpoints());
    if (world_.is_any(!steps.empty() && steps.back() == step)) return;
    writer.save(step, state());
    if (!writer.finish())
      throw std::runtime_error(
          fmt::format("the last checkpoint could not be written: {}; make room, and go on with --resume",
                      writer.failure()));
    log_event({{"event", "checkpoint"}, {"step", step}});
  }

  void validate_when_due() {
    if (trainer_->counters().step % recipe_.validation.every == 0 || trainer_->is_done()) validate();
  }

  void validate() {
    if (held_out_ == nullptr) return;
    const int64_t step = trainer_->counters().step;
    const StepReport report =
        trainer_->validate(*held_out_, held_out_reference_ ? &*held_out_reference_ : nullptr);
    std::vector<std::string> names;
    for (const MixtureSource& source : held_out_->sources()) names.push_back(source.name);
    const Json line = validation_line(report, names);
    log_event(line);
    if (!is_first()) return;
    write_board(step, "held-out/", line);
    inform("step {}: held-out loss {:.4f}", step, report.loss);
  }

  Device& device_;
  Comm& world_;
  const RunInput input_;
  const Recipe& recipe_;
  const fs::path dir_;
  std::unique_ptr<Comm> tensor_ranks_, replicas_;
  TrainingData data_;
  std::unique_ptr<Mixture> held_out_;
  int64_t max_tokens_ = 0;
  std::unique_ptr<Trainer> trainer_;
  std::optional<ReferenceSumsOf> held_out_reference_;
  std::unique_ptr<JsonlLog> metrics_, events_;
  std::unique_ptr<TensorBoardLog> board_;
  std::unique_ptr<TrainingConsole> console_;
};

}  // namespace

void run_training(Device& device, Comm& world, const RunInput& input, Resume resume) {
  TrainingRun(device, world, input).run(resume);
}

std::string describe_plan(Device& device, Comm& world, const RunInput& input) {
  return TrainingRun(device, world, input).plan();
}

}  // namespace poro
