# Third-party libraries from the distribution, each behind one target name.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(Snappy REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(Boost REQUIRED COMPONENTS program_options)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
option(FLEETMETER_ISAL "Inflate gzip by ISA-L; off, or where it is not to be had, by zlib at a third of the speed" ON)
if(FLEETMETER_ISAL)
  pkg_check_modules(ISAL IMPORTED_TARGET libisal)
endif()

# yaml-cpp 0.7 exports `yaml-cpp`, 0.8 `yaml-cpp::yaml-cpp`.
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp INTERFACE IMPORTED)
  target_link_libraries(yaml-cpp::yaml-cpp INTERFACE yaml-cpp)
endif()

# librdkafka 2.10 or newer (older ones lose a producer to a dead transaction coordinator). In this order: the archive
# that `./dev setup` built, linked statically so that the binary runs without it; the distribution's shared library.
set(FLEETMETER_RDKAFKA_PREFIX "" CACHE PATH "Where ./dev setup installed librdkafka")
if(NOT "$ENV{FLEETMETER_RDKAFKA_PREFIX}" STREQUAL "")  # What ./dev found now beats what an earlier run left here.
  set_property(CACHE FLEETMETER_RDKAFKA_PREFIX PROPERTY VALUE "$ENV{FLEETMETER_RDKAFKA_PREFIX}")
endif()
if(EXISTS ${FLEETMETER_RDKAFKA_PREFIX}/lib/librdkafka.a)
  add_library(PkgConfig::RDKAFKA STATIC IMPORTED)
  set_target_properties(PkgConfig::RDKAFKA PROPERTIES
    IMPORTED_LOCATION ${FLEETMETER_RDKAFKA_PREFIX}/lib/librdkafka.a
    INTERFACE_INCLUDE_DIRECTORIES ${FLEETMETER_RDKAFKA_PREFIX}/include)
  target_link_libraries(PkgConfig::RDKAFKA INTERFACE
    OpenSSL::SSL OpenSSL::Crypto CURL::libcurl PkgConfig::ZSTD ZLIB::ZLIB Threads::Threads ${CMAKE_DL_LIBS} m)
else()
  pkg_check_modules(RDKAFKA IMPORTED_TARGET rdkafka>=2.10)
  if(NOT RDKAFKA_FOUND)
    message(FATAL_ERROR "librdkafka 2.10 or newer is missing: run ./dev build, or name its prefix in FLEETMETER_RDKAFKA_PREFIX")
  endif()
endif()
