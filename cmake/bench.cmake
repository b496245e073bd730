# Benches that are one program each; not part of a plain build: cmake --build --preset release --target bench-parse
set(FL_SHARED "${PROJECT_SOURCE_DIR}/../shared" CACHE PATH "real feeds and fixtures for tests")
add_executable(bench-parse EXCLUDE_FROM_ALL bench/parse.c)
target_link_libraries(bench-parse PRIVATE ingest sets normalize feeds io model base fl_flags PkgConfig::XXHASH)
target_compile_definitions(bench-parse PRIVATE FL_SHARED="${FL_SHARED}")
