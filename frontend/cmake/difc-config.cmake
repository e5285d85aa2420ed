# The CMake package of difc: `find_package(difc)`, with `cmake -Ddifc_DIR="$(difc --cmake-dir)"`, gives the function
#
#   difc_add_module(<target> SOURCE model.py
#                   [ENTRY name...]     functions to compile; default: all that the model exports
#                   [TARGET name]       what to compile for; default: cpu
#                   [OUTPUT file]       the artifact; default: <target>.vmfb in the current binary folder
#                   [OPT_LEVEL n]       0 to 3; default: 3
#                   [DEPENDS file...])  what the model reads or imports besides itself
#
# which runs `difc compile` when the project is built, and again when SOURCE or DEPENDS change. The path of the artifact
# is the property DIFC_OUTPUT of <target>:
#
#   difc_add_module(mlp SOURCE mlp.py ENTRY loss grads)
#   get_target_property(mlp_file mlp DIFC_OUTPUT)
#
# The command is DIFC_EXECUTABLE, which is looked for on the path and in the Python environment that this file is in.

cmake_minimum_required(VERSION 3.20)

find_program(
  DIFC_EXECUTABLE
  NAMES difc
  HINTS "${CMAKE_CURRENT_LIST_DIR}/../../../../../bin" "${CMAKE_CURRENT_LIST_DIR}/../../../../Scripts"
  DOC "The difc command (pip install 'difc[compiler]')"
)
if(NOT DIFC_EXECUTABLE)
  set(difc_FOUND FALSE)
  set(difc_NOT_FOUND_MESSAGE "the command `difc` is not on the path: pip install 'difc[compiler]', or set DIFC_EXECUTABLE")
  return()
endif()

function(difc_add_module target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE;TARGET;OUTPUT;OPT_LEVEL" "ENTRY;DEPENDS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "difc_add_module(${target}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "difc_add_module(${target}): no value for ${arg_KEYWORDS_MISSING_VALUES}")
  endif()
  if(NOT arg_SOURCE)
    message(FATAL_ERROR "difc_add_module(${target}): SOURCE is missing: name the model file")
  endif()
  get_filename_component(source "${arg_SOURCE}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT "${target}.vmfb")
  endif()
  get_filename_component(output "${arg_OUTPUT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")

  set(options "")
  foreach(entry IN LISTS arg_ENTRY)
    list(APPEND options --entry "${entry}")
  endforeach()
  if(arg_TARGET)
    list(APPEND options --target "${arg_TARGET}")
  endif()
  if(DEFINED arg_OPT_LEVEL)
    list(APPEND options "-O${arg_OPT_LEVEL}")
  endif()

  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${DIFC_EXECUTABLE}" compile "${source}" --output "${output}" ${options}
    DEPENDS "${source}" ${arg_DEPENDS}
    COMMENT "Compiling ${arg_SOURCE} with difc"
    VERBATIM
  )
  add_custom_target(${target} ALL DEPENDS "${output}")
  set_target_properties(${target} PROPERTIES DIFC_OUTPUT "${output}")
endfunction()
