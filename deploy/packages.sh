# Debian packages, by purpose. Names are the same on Debian 12, Debian 13 and Ubuntu 24.04.
# Sourced by common.sh and by the Dockerfile.

# To build the programs.
build_packages=(
  g++ cmake ninja-build ccache pkg-config ca-certificates
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libabsl-dev
  prometheus-cpp-dev libcurl4-openssl-dev nlohmann-json3-dev libcli11-dev libhwy-dev libpng-dev libre2-dev libssl-dev zlib1g-dev
)

# To build and run the tests, beside the above.
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev clang clang-format clang-tidy libclang-rt-dev
  python3 python3-numpy python3-grpcio python3-protobuf
)
