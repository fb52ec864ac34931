#include <cstdint>

#include "kernels/simd/tile_attention_avx512.h"

#if defined(__x86_64__)
#include "kernels/simd/avx512_lanes.h"
#include "kernels/simd/plain_tiles.h"
#define TREBLE_TILE_TARGET TREBLE_BF16
#include "kernels/simd/tile_attention-inl.h"
#endif

namespace treble::internal::test {

template <typename T>
simd::HeadKernel<T> tile_attention_on_avx512() {
#if defined(__x86_64__)
  return {&simd::attend_head_in_tiles<simd::PlainTiles, simd::Avx512Lanes, T>, &simd::PlainTiles::configure,
          &simd::PlainTiles::release};
#else
  return {};
#endif
}

template simd::HeadKernel<float> tile_attention_on_avx512();
template simd::HeadKernel<std::uint16_t> tile_attention_on_avx512();

}  // namespace treble::internal::test
