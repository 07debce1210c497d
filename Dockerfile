# The server with its bundled models, for CPUs.
#
#   docker build -t strided .
#   docker run --read-only --cap-drop=ALL -p 50051:50051 -p 9464:9464 strided
#
# BASE is any Debian 12; deploy/container-test.sh gives one made by debootstrap where there is no registry.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY deploy/packages.sh deploy/
RUN bash -c 'source deploy/packages.sh && apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${build_packages[@]}" >/dev/null'
COPY CMakeLists.txt CMakePresets.json ./
COPY proto proto
COPY engine engine
COPY server server
COPY client client
RUN cmake --preset cpu -DSTRIDED_TESTS=OFF && cmake --build --preset cpu --target strided stride && \
    strip build/cpu/bin/strided build/cpu/bin/stride

FROM ${BASE}
# The programs' own shared libraries, each with the package that holds it.
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libgrpc++1.51 libprometheus-cpp-pull1.0 libprometheus-cpp-core1.0 libhwy1 libpng16-16 libssl3 >/dev/null && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 65532 --no-create-home --shell /usr/sbin/nologin strided
COPY --from=build /src/build/cpu/bin/strided /src/build/cpu/bin/stride /usr/local/bin/
COPY deploy/models /models
USER 65532:65532
ENV STRIDED_MODEL_REPOSITORY=/models \
    STRIDED_LISTEN=0.0.0.0:50051 \
    STRIDED_METRICS_LISTEN=0.0.0.0:9464
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
HEALTHCHECK CMD ["stride", "health", "--address", "127.0.0.1:50051"]
ENTRYPOINT ["strided"]
