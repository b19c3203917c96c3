// Ranks with a GPU each: what lies on the GPUs goes between them through NCCL, or, where it is little,
// through each other's memory (peer_sums.h), on the device's stream and in order with its ops; everything
// else goes the way of the host's ranks. NCCL takes its sums in an order that its choice of ring fixes, so a
// run repeats bit for bit on the same machines.
#include <nccl.h>

#include <array>
#include <exception>
#include <vector>

#include "base/comm.h"
#include "base/cuda/peer_sums.h"
#include "base/cuda/state.h"

namespace poro {
namespace {

#define NCCL_CHECK(call)                                                                             \
  do {                                                                                               \
    const ncclResult_t nccl_status_ = (call);                                                        \
    if (nccl_status_ != ncclSuccess) [[unlikely]]                                                    \
      throw GpuFault(                                                                                \
          fmt::format("a message between GPUs failed (NCCL: {})", ncclGetErrorString(nccl_status_)), \
          "see that each rank has a GPU of its own that works, and try again");                      \
  } while (false)

ncclDataType_t nccl_type(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return ncclFloat64;
    case DType::kF32:
      return ncclFloat32;
    case DType::kBF16:
      return ncclBfloat16;
    default:
      CHECK(false, "no sums of {} between GPUs", dtype_name(dtype));
  }
}

class GpuComm final : public Comm {
 public:
  GpuComm(Cuda& cuda, std::unique_ptr<Comm> host) : cuda_(&cuda), host_(std::move(host)) {
    ncclUniqueId id = {};
    if (host_->rank() == 0) NCCL_CHECK(ncclGetUniqueId(&id));
    host_->broadcast(std::as_writable_bytes(std::span(&id, 1)));
    CUDA_CHECK(cudaSetDevice(cuda.state().index));
    if (ncclCommInitRank(&comm_, host_->size(), id, host_->rank()) != ncclSuccess)
      fail("NCCL could not connect rank {} ({}); has each rank a GPU of its own?", host_->rank(),
           ncclGetLastError(nullptr));
    peers_ = PeerSums::open(cuda, *host_);
  }
  // Whoever fails does not wait for the others.
  ~GpuComm() override { std::uncaught_exceptions() > 0 ? ncclCommAbort(comm_) : ncclCommDestroy(comm_); }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  void barrier() override { host_->barrier(); }
  void all_gather(std::span<const std::byte> part, std::span<std::byte> whole) override {
    host_->all_gather(part, whole);
  }
  void all_to_all(std::span<const std::byte> from, std::span<std::byte> to) override {
    host_->all_to_all(from, to);
  }
  void broadcast(std::span<std::byte> bytes) override { host_->broadcast(bytes); }
  std::unique_ptr<Comm> split(int color) override {
    return std::make_unique<GpuComm>(*cuda_, host_->split(color));
  }
  void abort(int exit_code) override { host_->abort(exit_code); }

  void gather(const Tensor& part, const Tensor& whole) override {
    if (whole.place == Place::kHost) return host_->gather(part, whole);
    NCCL_CHECK(ncclAllGather(part.data, whole.data, part.bytes(), ncclInt8, comm_, stream()));
  }
  void reduce_scatter(const Tensor& whole, const Tensor& part) override {
    if (whole.place == Place::kHost) return host_->reduce_scatter(whole, part);
    NCCL_CHECK(ncclReduceScatter(whole.data, part.data, static_cast<size_t>(part.elements()),
                                 nccl_type(whole.dtype), ncclSum, comm_, stream()));
  }
  void all_reduce(const Tensor& values) override {
    if (values.place == Place::kHost) return host_->all_reduce(values);
    NCCL_CHECK(ncclAllReduce(values.data, values.data, static_cast<size_t>(values.elements()),
                             nccl_type(values.dtype), ncclSum, comm_, stream()));
  }
  void sum_onto(const Tensor& part, const Tensor& residual, const Tensor& to) override {
    if (part.place == Place::kHost) return host_->sum_onto(part, residual, to);
    if (peers_ != nullptr && part.elements() <= PeerSums::kMostElements)
      return peers_->sum_onto(part, residual, to);
    all_reduce(part);
    add_on_gpu(*cuda_, part, residual, to);
  }

 private:
  cudaStream_t stream() const { return cuda_->state().stream; }

  Cuda* cuda_;
  std::unique_ptr<Comm> host_;
  ncclComm_t comm_ = nullptr;
  std::unique_ptr<PeerSums> peers_;  // Null: these GPUs cannot write into each other's memory.
};

}  // namespace

std::unique_ptr<Comm> comm_of(Device& device, std::unique_ptr<Comm> host) {
  if (!device.is_cuda() || host->size() == 1) return host;
  return std::make_unique<GpuComm>(device.cuda_backend(), std::move(host));
}

}  // namespace poro
