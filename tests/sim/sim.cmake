target_include_directories(fireline-sim PRIVATE ${PROJECT_SOURCE_DIR}/tests/sim)
add_test(NAME sim_seeds COMMAND fireline-sim --seeds 1..1000 --faults)
add_test(NAME sim_mutants COMMAND fireline-sim --mutants --seeds 1..400)
set_tests_properties(sim_seeds sim_mutants PROPERTIES LABELS sim TIMEOUT 900)
