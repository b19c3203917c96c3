# Cross-compiles for 64-bit Arm with Debian's libraries unpacked in a folder of their own, and runs tests under qemu-user.
# tools/test-arm64 makes the folder; see there.
set(PORO_ARM64_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-sysroot)
get_filename_component(PORO_ARM64_SYSROOT ${PORO_ARM64_SYSROOT} ABSOLUTE)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT ${PORO_ARM64_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${PORO_ARM64_SYSROOT})

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${PORO_ARM64_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${PORO_ARM64_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${PORO_ARM64_SYSROOT}/usr/share/pkgconfig)
