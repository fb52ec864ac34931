// Choices by kind of CPU, for CPUs that are not there too.
#include <gtest/gtest.h>

#include <vector>

#include "base/cpu.h"
#include "kernels/compute_isa.h"
#include "kernels/onednn/effective_isa.h"

namespace treble::internal {
namespace {

using onednn::EffectiveIsa;

const EffectiveIsa kAvx2 = {.avx2_only = true};
const EffectiveIsa kAvxVnni2 = {.bf16 = true, .vnni = true};
const EffectiveIsa kAvx512 = {.avx512 = true, .vnni = true, .avx512_vnni = true};
const EffectiveIsa kBf16 = {.bf16 = true, .avx512 = true, .avx512_bf16 = true, .vnni = true, .avx512_vnni = true};
const EffectiveIsa kAmx = {
    .bf16 = true, .avx512 = true, .avx512_bf16 = true, .vnni = true, .avx512_vnni = true, .amx = true};

const CpuFeatures kZen2 = {.avx2_fma = true};
const CpuFeatures kZen4 = {.avx2_fma = true, .avx512_vnni = true, .avx512_vbmi = true};
const CpuFeatures kCooperLake = {.avx2_fma = true, .avx512_vnni = true, .intel = true};
const CpuFeatures kSapphireRapids = {
    .avx2_fma = true, .avx512_vnni = true, .avx512_vbmi = true, .amx = true, .intel = true};
const CpuFeatures kRefusedTiles = {.avx2_fma = true, .avx512_vnni = true, .avx512_vbmi = true, .intel = true};

TEST(CpuKind, FollowsFromWhatIsThereAndMayBeUsed) {
  EXPECT_EQ(cpu_kind(kAvx2, kZen2), CpuKind::other);
  EXPECT_EQ(cpu_kind({}, {}), CpuKind::other);
  EXPECT_EQ(cpu_kind(kAvxVnni2, {.avx2_fma = true, .intel = true}), CpuKind::other);
  EXPECT_EQ(cpu_kind(kAvx512, kRefusedTiles), CpuKind::avx512);
  EXPECT_EQ(cpu_kind(kBf16, kCooperLake), CpuKind::avx512) << "the kernel needs VBMI";
  EXPECT_EQ(cpu_kind(kBf16, kZen4), CpuKind::avx512_bf16);
  EXPECT_EQ(cpu_kind(kAmx, kSapphireRapids), CpuKind::amx);
}

TEST(CpuKind, KeepsToTheCapAndToThePermission) {
  EXPECT_EQ(cpu_kind(kBf16, kSapphireRapids), CpuKind::intel_avx512_bf16);
  EXPECT_EQ(cpu_kind(kAmx, kRefusedTiles), CpuKind::intel_avx512_bf16);
  EXPECT_EQ(cpu_kind(kAvx512, kSapphireRapids), CpuKind::avx512);
  EXPECT_EQ(cpu_kind(kAvx512, kZen4), CpuKind::avx512);
  EXPECT_EQ(cpu_kind(kAvx2, kSapphireRapids), CpuKind::other);
}

/// As docs/performance.md says; a change here needs its measurement there.
TEST(Bfloat16AttentionChoice, IsWhatWasMeasured) {
  EXPECT_EQ(bfloat16_attention(CpuKind::other), Bfloat16Attention::float32);
  EXPECT_EQ(bfloat16_attention(CpuKind::avx512), Bfloat16Attention::float32);
  EXPECT_EQ(bfloat16_attention(CpuKind::avx512_bf16), Bfloat16Attention::avx512_bf16);
  EXPECT_EQ(bfloat16_attention(CpuKind::intel_avx512_bf16), Bfloat16Attention::float32);
  EXPECT_EQ(bfloat16_attention(CpuKind::amx), Bfloat16Attention::avx512_bf16);
}

TEST(Bfloat16AttentionChoice, RunsOnThisCpu) {
  EXPECT_TRUE(cpu_supports(bfloat16_attention()));
  EXPECT_TRUE(cpu_supports(Bfloat16Attention::float32));
  EXPECT_EQ(bfloat16_attention(), bfloat16_attention(cpu_kind(onednn::effective_isa(), cpu_features())));
  EXPECT_EQ(supports_bf16_attention(64), bfloat16_attention() != Bfloat16Attention::float32);
  EXPECT_FALSE(supports_bf16_attention(5));
  EXPECT_TRUE(!cpu_supports(Bfloat16Attention::amx) || onednn::effective_isa().amx);
}

}  // namespace
}  // namespace treble::internal
