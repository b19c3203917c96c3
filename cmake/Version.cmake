# Writes version.inc with the commit of the checkout; touched only when it changes, so that it costs no rebuild.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --abbrev=8 --dirty=+ --exclude=*
                OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define PORO_VERSION \"${VERSION}\"\n#define PORO_COMMIT \"${commit}\"\n")
