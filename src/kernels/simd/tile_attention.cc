#include "kernels/simd/tile_attention.h"

#include <cstdint>

#if defined(__x86_64__)
#include "kernels/simd/avx512_lanes.h"
#define TREBLE_TILE_TARGET TREBLE_BF16
#include "kernels/simd/tile_attention-inl.h"
#endif

namespace treble::internal::simd {

template <typename T>
HeadKernel<T> tile_attention() {
#if defined(__x86_64__)
  return {&attend_head_in_tiles<AmxTiles, Avx512Lanes, T>, &AmxTiles::configure, &AmxTiles::release};
#else
  return {};
#endif
}

template HeadKernel<float> tile_attention();
template HeadKernel<std::uint16_t> tile_attention();

}  // namespace treble::internal::simd
