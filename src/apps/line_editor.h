// Lines from a person or from a pipe. On a terminal: editing, history kept in a file, Ctrl-C that drops the
// line. From a pipe: the lines as they are, and nothing is printed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "apps/interrupt.h"

namespace poro {

enum class ReadOutcome { kLine, kInterrupted, kEnd };

class LineEditor {
 public:
  // `history` is made if need be; empty: none is kept. `interrupt` outlives the editor.
  LineEditor(std::string prompt, const std::filesystem::path& history, InterruptFlag& interrupt);
  ~LineEditor();

  // The next line without its end.
  ReadOutcome read(std::string& line);

  static bool is_terminal();  // Whether both ends are one.

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;
};

// Where the history belongs: $XDG_STATE_HOME/poro/history or ~/.local/state/poro/history; empty without a
// home.
std::filesystem::path history_path();

}  // namespace poro
