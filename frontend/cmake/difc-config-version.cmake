# The version for find_package where the package is used from the Python package; one that is installed has its own file.

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../__init__.py" difc_version_line REGEX "^__version__ = ")
string(REGEX REPLACE "^__version__ = \"(([0-9]+\\.[0-9]+).*)\"$" "\\1;\\2" difc_versions "${difc_version_line}")
list(GET difc_versions 0 PACKAGE_VERSION)
list(GET difc_versions 1 difc_minor_version)

set(PACKAGE_VERSION_COMPATIBLE FALSE)
if(PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION AND PACKAGE_FIND_VERSION VERSION_GREATER_EQUAL difc_minor_version)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
