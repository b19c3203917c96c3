#include "base/comm.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace poro {
namespace {

class SoloComm final : public Comm {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void all_gather(std::span<const std::byte> part, std::span<std::byte> whole) override {
    if (part.data() != whole.data()) std::memcpy(whole.data(), part.data(), part.size());
  }
  void all_to_all(std::span<const std::byte> from, std::span<std::byte> to) override {
    std::memcpy(to.data(), from.data(), from.size());
  }
  void broadcast(std::span<std::byte>) override {}
  std::unique_ptr<Comm> split(int) override { return std::make_unique<SoloComm>(); }
  void abort(int) override {}
};

// to = sum over ranks of parts[rank], rank by rank.
template <class T>
void sum_parts(const std::byte* parts, int ranks, const Tensor& to) {
  const T* from = reinterpret_cast<const T*>(parts);
  T* out = to.as<T>();
  const int64_t count = to.elements();
  for (int64_t i = 0; i < count; ++i) {
    T sum = from[i];
    for (int rank = 1; rank < ranks; ++rank) sum += from[rank * count + i];
    out[i] = sum;
  }
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {tensor.data, tensor.bytes()};
}

}  // namespace

std::byte* Comm::scratch(size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

void Comm::gather(const Tensor& part, const Tensor& whole) {
  all_gather(bytes_of(part), {whole.data, whole.bytes()});
}

void Comm::reduce_scatter(const Tensor& whole, const Tensor& part) {
  CHECK(whole.elements() == part.elements() * size() && whole.dtype == part.dtype, "{} to {} on {} ranks",
        whole.str(), part.str(), size());
  if (size() == 1) {
    if (part.data != whole.data) std::memcpy(part.data, whole.data, part.bytes());
    return;
  }
  std::byte* parts = scratch(whole.bytes());
  all_to_all(bytes_of(whole), {parts, whole.bytes()});
  if (whole.dtype == DType::kF64)
    sum_parts<double>(parts, size(), part);
  else
    sum_parts<float>(parts, size(), part);
}

void Comm::all_reduce(const Tensor& values) {
  if (size() == 1) return;
  // Every rank sums its share and hands it out; the last share is padded.
  const int64_t count = values.elements(), share = (count + size() - 1) / size();
  std::vector<std::byte> padded(static_cast<size_t>(share * size()) *
                                static_cast<size_t>(dtype_bits(values.dtype) / 8));
  std::memcpy(padded.data(), values.data, values.bytes());
  const Tensor whole{.data = padded.data(), .dtype = values.dtype, .shape = {share * size()}};
  const Tensor part = whole.rows(rank() * share, share);
  reduce_scatter(whole, part);
  all_gather(bytes_of(part), padded);
  std::memcpy(values.data, padded.data(), values.bytes());
}

namespace {

template <class T>
void add_to(const Tensor& part, const Tensor& residual, const Tensor& to) {
  const T *a = part.as<T>(), *b = residual ? residual.as<T>() : nullptr;
  for (int64_t i = 0; i < to.elements(); ++i) to.as<T>()[i] = b == nullptr ? a[i] : b[i] + a[i];
}

}  // namespace

void Comm::sum_onto(const Tensor& part, const Tensor& residual, const Tensor& to) {
  CHECK(part.elements() == to.elements() && (!residual || residual.elements() == to.elements()), "{} to {}",
        part.str(), to.str());
  all_reduce(part);
  part.dtype == DType::kF64 ? add_to<double>(part, residual, to) : add_to<float>(part, residual, to);
}

double Comm::sum(double value) {
  std::vector<double> all(static_cast<size_t>(size()));
  all_gather(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(all)));
  double sum = 0;
  for (const double one : all) sum += one;
  return sum;
}

double Comm::maximum(double value) {
  std::vector<double> all(static_cast<size_t>(size()));
  all_gather(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(all)));
  return *std::max_element(all.begin(), all.end());
}

int local_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "MPI_LOCALRANKID"})
    if (const char* value = std::getenv(name)) return std::atoi(value);
  return 0;
}

std::unique_ptr<Comm> solo_comm() {
  return std::make_unique<SoloComm>();
}

}  // namespace poro
