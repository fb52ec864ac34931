// What this machine's GEMMs reach with oneDNN, in GFLOP/s (GOP/s for int8): the limit that engines are held
// against. Weights of a transformer's feed-forward network, packed, every thread with a stream of calls of its own.
//
//   treble_gemm_probe [threads] [hidden] [intermediate]   → {"f32": 190.1, "bf16": null, "int8": 240.3}
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <thread>
#include <vector>

extern "C" void omp_set_num_threads(int threads);

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

constexpr std::int64_t kRows = 2048;
constexpr double kSeconds = 0.7;

struct Types {
  Type source;
  Type weight;
  Type target;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// One thread's share: [kRows, in] x [in, out] for a while. Returns operations a second.
double measure(const Types& types, std::int64_t in, std::int64_t out) {
  omp_set_num_threads(1);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc source({kRows, in}, types.source, Tag::ab);
  const memory::desc target({kRows, out}, types.target, Tag::ab);
  const dnnl::inner_product_forward::primitive_desc desc(engine, dnnl::prop_kind::forward_inference, source,
                                                         memory::desc({out, in}, types.weight, Tag::any), target);
  memory x(source, engine);
  memory w(desc.weights_desc(), engine);
  memory y(target, engine);
  for (const memory& one : {x, w, y})
    std::fill_n(static_cast<char*>(one.get_data_handle()), one.get_desc().get_size(), 0);
  const dnnl::inner_product_forward product(desc);
  const auto run = [&] { product.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}}); };
  run();
  const double start = now();
  double calls = 0;
  for (; now() - start < kSeconds; ++calls) run();
  stream.wait();
  return 2.0 * kRows * static_cast<double>(in * out) * calls / (now() - start);
}

/// GFLOP/s of all threads, or "null" where the CPU cannot do it without emulation.
std::string rate(const Types& types, int threads, std::int64_t in, std::int64_t out) {
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::vector<std::thread> team;
  std::vector<std::string> failures(rates.size());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    team.emplace_back([&, i] {
      try {
        rates[i] = measure(types, in, out);
      } catch (const dnnl::error& error) {
        failures[i] = error.what();
      }
    });
  }
  double sum = 0;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    team[i].join();
    sum += rates[i];
  }
  return failures.front().empty() ? std::to_string(sum / 1e9) : "null";
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const std::int64_t hidden = argc > 2 ? std::atoll(argv[2]) : 384;
  const std::int64_t intermediate = argc > 3 ? std::atoll(argv[3]) : 1536;
  std::cout << R"({"f32": )" << rate({Type::f32, Type::f32, Type::f32}, threads, hidden, intermediate)
            << R"(, "bf16": )" << rate({Type::bf16, Type::bf16, Type::f32}, threads, hidden, intermediate)
            << R"(, "int8": )" << rate({Type::u8, Type::s8, Type::s32}, threads, hidden, intermediate) << "}\n";
  return 0;
}
